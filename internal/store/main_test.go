package store

import (
	"os"
	"strconv"
	"testing"
)

// TestMain lets the test binary be the other processes that tests need: one that has a file
// open, and one that writes until it is killed.
func TestMain(m *testing.M) {
	switch os.Getenv("STORE_TEST_PROCESS") {
	case "hold":
		hold(os.Getenv("STORE_TEST_FILE"))
	case "write":
		times, err := strconv.Atoi(os.Getenv("STORE_TEST_TIMES"))
		if err != nil {
			panic(err)
		}
		writeUntilKilled(os.Getenv("STORE_TEST_FILE"), times)
	default:
		os.Exit(m.Run())
	}
}
