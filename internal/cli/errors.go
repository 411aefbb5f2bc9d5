package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/repl/term"
)

// A usageError reports an invalid command line.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

func (e *usageError) Hint() string { return e.hint }

// Usage returns the error of an invalid command line, with advice for the user; "" for none.
// The exit code is 2.
func Usage(message, hint string) error { return &usageError{message, hint} }

// A hintedError is an error with advice for the user.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string { return e.hint }

func (e *hintedError) Unwrap() error { return e.error }

// Hinted returns err with advice for the user.
func Hinted(err error, hint string) error { return &hintedError{err, hint} }

// HintOf returns the advice of an error, or "".
func HintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// An ExitCode is an error that ends the program with this exit code and no message, because
// the message was already printed.
type ExitCode int

func (e ExitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// report prints an error of the program of root and its hint, and returns the exit code. An error that
// has a method Print prints itself.
func report(stderr io.Writer, root *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	var code ExitCode
	if errors.As(err, &code) {
		return int(code)
	}
	var printed interface{ Print(w io.Writer, color bool) }
	if errors.As(err, &printed) {
		printed.Print(stderr, HasColor(stderr))
		return 1
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(stderr, "%s: %s\n", root.Name(), term.CleanLines(Named(root, err.Error())))
	if hint := HintOf(err); hint != "" {
		fmt.Fprintf(stderr, "  → %s\n", term.CleanLines(Named(root, hint)))
	}
	if errors.As(err, new(*usageError)) {
		return 2
	}
	return 1
}

// asUsageError returns an error that occurred before a command below root started as that
// of an invalid command line.
func asUsageError(root *cobra.Command, err error) error {
	if errors.As(err, new(*usageError)) {
		return err
	}
	return Usage(err.Error(), "see: "+root.Name()+" help")
}
