package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/towerkit/tower/internal/dev"
)

// A usageError says that the command line is wrong; the exit code is 2.
type usageError struct {
	message string
	hint    string
}

func (e *usageError) Error() string { return e.message }

func (e *usageError) Hint() string { return e.hint }

// A hintedError is an error with what to do about it.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string { return e.hint }

func (e *hintedError) Unwrap() error { return e.error }

// An exitCode ends tower with the code of a program that has said by itself
// what was wrong.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// report shows an error, with what to do about it, and returns the exit code.
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
	fmt.Fprintf(stderr, "tower: %v\n", err)
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fmt.Fprintf(stderr, "  → %s\n", hinted.Hint())
	}
	if errors.As(err, new(*usageError)) {
		return 2
	}
	return 1
}

// asUsageError is an error that came before the command began.
func asUsageError(err error) error {
	if errors.As(err, new(*usageError)) {
		return err
	}
	return &usageError{message: err.Error(), hint: "see: tower help"}
}
