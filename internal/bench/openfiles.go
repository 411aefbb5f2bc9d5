package bench

import "fmt"

// CheckOpenFiles returns an error if a process here may not open as many files as
// a benchmark with that many clients needs.
func CheckOpenFiles(connections int) error {
	if need := uint64(2*connections + 300); need > maxFiles() {
		return &hintedError{fmt.Errorf("%d clients need %d open files, and this system allows a process %d", connections, need, maxFiles()),
			"raise the hard limit of open files (ulimit -Hn), or ask for fewer --connections"}
	}
	return nil
}

// A hintedError is an error with what to do about it.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string { return e.hint }

func (e *hintedError) Unwrap() error { return e.error }
