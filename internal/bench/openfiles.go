package bench

import "fmt"

// CheckOpenFiles returns an error with a hint if this system's limit of open files
// is too low for a benchmark with that many clients.
func CheckOpenFiles(connections int) error {
	if need := uint64(2*connections + 300); need > maxFiles() {
		return &hintedError{fmt.Errorf("%d clients need %d open files, and this system allows %d per process", connections, need, maxFiles()),
			"raise the hard limit of open files (ulimit -Hn), or use fewer --connections"}
	}
	return nil
}

// A hintedError is an error with advice for the user.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string { return e.hint }

func (e *hintedError) Unwrap() error { return e.error }
