package server

import (
	"fmt"
	"slices"
	"testing"

	"github.com/towerkit/tower/internal/wire"
)

func TestTheNewestLinesOfTheLogAreKept(t *testing.T) {
	var tail logTail
	var all []string
	for n := range 3*maxLogLines + 1 {
		var got []string
		for _, line := range tail.newest() {
			got = append(got, line.Message)
		}
		if want := all[max(0, n-maxLogLines):]; !slices.Equal(got, want) {
			t.Fatalf("after %d lines: %q, want %q", n, got, want)
		}
		all = append(all, fmt.Sprint("line ", n))
		tail.add(wire.LogEvent{Message: all[n]})
	}
}
