package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// checkCommand returns an error if an argument should name a command and does not. cobra
// would parse the flags after it as flags of the parent command.
func checkCommand(root *cobra.Command, args []string) error {
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
	return UnknownCommandError(found, rest[0])
}

// UnknownCommandError reports that parent has no command with that name, and suggests
// similar names.
func UnknownCommandError(parent *cobra.Command, name string) error {
	path := parent.CommandPath()
	_, full, _ := strings.Cut(path+" "+name, " ")
	e := &usageError{fmt.Sprintf("there is no command %q", full), "see: " + path + " --help"}
	parent.SuggestionsMinimumDistance = 2
	if like := parent.SuggestionsFor(name); len(like) > 0 {
		e.hint = "did you mean: " + path + " " + strings.Join(like, ", "+path+" ")
	}
	return e
}

// flagError says in this program's words what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	e := &usageError{err.Error(), "see: " + cmd.CommandPath() + " --help"}
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		e.message = fmt.Sprintf("%s has no flag %s", cmd.Name(), flagName(unknown.GetSpecifiedName()))
	case errors.As(err, &missing):
		e.message = fmt.Sprintf("the flag %s needs a value", flagName(missing.GetSpecifiedName()))
	case errors.As(err, &invalid):
		e.message = fmt.Sprintf("--%s %q: %v", invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap())
	}
	return e
}

func flagName(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// NoArguments is the Args of a command without arguments.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return Usage(fmt.Sprintf("%s takes no arguments, got %q", cmd.Name(), args[0]), "see: "+cmd.CommandPath()+" --help")
}

// AtMostOneArgument is the Args of a command with an optional argument.
func AtMostOneArgument(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return Usage(fmt.Sprintf("%s takes at most one argument, got also %q", cmd.Name(), args[1]), "see: "+cmd.CommandPath()+" --help")
}

// OneArgument returns the Args of a command with exactly one argument.
func OneArgument(name, means string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return Usage(fmt.Sprintf("%s needs %s: %s", cmd.Name(), name, means), "see: "+cmd.CommandPath()+" --help")
		case 1:
			return nil
		}
		return Usage(fmt.Sprintf("%s takes one argument, got %s", cmd.Name(), strings.Join(args, " ")), "see: "+cmd.CommandPath()+" --help")
	}
}

// ArgumentError returns err as that of an invalid command line, unless it is an error of the
// file system.
func ArgumentError(cmd *cobra.Command, err error) error {
	if errors.As(err, new(*fs.PathError)) {
		return err
	}
	return Usage(err.Error(), "see: "+cmd.CommandPath()+" --help")
}
