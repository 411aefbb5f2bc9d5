package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/repl/term"
)

// A usageError reports an invalid command line. The exit code is 2.
type usageError struct {
	message string
	hint    string
}

func (e *usageError) Error() string { return e.message }

func (e *usageError) Hint() string { return e.hint }

// A hintedError is an error with advice for the user.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string { return e.hint }

func (e *hintedError) Unwrap() error { return e.error }

// An exitCode is an error that ends tower with this exit code and no message, because the
// message was already printed.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// report prints an error and its hint, and returns the exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	var failure *dev.Failure
	if errors.As(err, &failure) {
		failure.Print(stderr, hasColor(stderr))
		return 1
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(stderr, "tower: %s\n", term.CleanLines(err.Error()))
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fmt.Fprintf(stderr, "  → %s\n", term.CleanLines(hinted.Hint()))
	}
	if errors.As(err, new(*usageError)) {
		return 2
	}
	return 1
}

// asUsageError returns an error that occurred before the command started as a
// [usageError].
func asUsageError(err error) error {
	if errors.As(err, new(*usageError)) {
		return err
	}
	return &usageError{message: err.Error(), hint: "see: tower help"}
}
