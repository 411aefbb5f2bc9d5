package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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

// wrongUse is an error that came before the command began.
func wrongUse(err error) error {
	if errors.As(err, new(*usageError)) {
		return err
	}
	return &usageError{message: err.Error(), hint: "see: tower help"}
}

// hasColor reports whether w is a terminal on which colors are wanted.
func hasColor(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && (isatty.IsTerminal(file.Fd()) || isatty.IsCygwinTerminal(file.Fd()))
}

// unknownCommand finds an argument that should name a command and does not,
// before flags that follow it are taken for those of the command above.
func unknownCommand(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		return nil
	}
	found, rest, _ := root.Find(args)
	if found != root && found.Runnable() {
		return nil
	}
	if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil
	}
	return noCommand(found, rest[0])
}

// noCommand says that there is no command of that name below parent.
func noCommand(parent *cobra.Command, name string) error {
	path := parent.CommandPath()
	_, full, _ := strings.Cut(path+" "+name, " ")
	e := &usageError{message: fmt.Sprintf("there is no command %q", full), hint: "see: " + path + " --help"}
	parent.SuggestionsMinimumDistance = 2
	if like := parent.SuggestionsFor(name); len(like) > 0 {
		e.hint = "did you mean: " + path + " " + strings.Join(like, ", "+path+" ")
	}
	return e
}

func flagError(cmd *cobra.Command, err error) error {
	e := &usageError{message: err.Error(), hint: "see: " + cmd.CommandPath() + " --help"}
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		e.message = fmt.Sprintf("%s has no flag %s", cmd.Name(), dashed(unknown.GetSpecifiedName()))
	case errors.As(err, &missing):
		e.message = fmt.Sprintf("the flag %s needs a value", dashed(missing.GetSpecifiedName()))
	case errors.As(err, &invalid):
		e.message = fmt.Sprintf("--%s %q: %v", invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap())
	}
	return e
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// noArguments is the Args of a command that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{
		message: fmt.Sprintf("%s takes no argument, and was given %q", cmd.Name(), args[0]),
		hint:    "see: " + cmd.CommandPath() + " --help",
	}
}

func atMostOneArgument(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return &usageError{
		message: fmt.Sprintf("%s takes one argument at most, and was given %q too", cmd.Name(), args[1]),
		hint:    "see: " + cmd.CommandPath() + " --help",
	}
}
