package store

import (
	"os"
	"testing"
)

// TestMain lets the test binary be other processes that tests need: one that
// holds a file, one that writes until it is killed.
func TestMain(m *testing.M) {
	switch os.Getenv("STORE_TEST_PROCESS") {
	case "hold":
		hold(os.Getenv("STORE_TEST_FILE"))
	case "write":
		writeUntilKilled(os.Getenv("STORE_TEST_FILE"))
	default:
		os.Exit(m.Run())
	}
}
