package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/scaffolds"
)

func newNew() *cobra.Command {
	var module string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make an application",
		Long: `Make an application in a new folder. It builds, passes its own tests and is live at
once.`,
		Example: `  tower new blog
  tower new blog --module example.com/blog`,
		Args: oneArgument("NAME", "what the application is called, as in: tower new blog"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := filepath.Base(args[0])
			plan, err := scaffolds.New(applicationOptions(name, args[0], module))
			if err != nil {
				return wrongArguments(err, "new")
			}
			if err := carryOut(cmd.OutOrStdout(), plan, dryRun); err != nil || dryRun {
				return err
			}
			if err := tidyReleased(cmd, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nNext:\n  cd %s\n  tower generate scaffold Post title:string body:text published:bool\n  tower server\n", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&module, "module", "", "path of its Go module (default: NAME)")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be written, and write nothing")
	return cmd
}

// modules are those that an application needs of tower's own requirements.
var modules = []string{
	"github.com/gabriel-vasile/mimetype", "github.com/go-playground/locales", "github.com/go-playground/universal-translator",
	"github.com/go-playground/validator/v10", "github.com/gorilla/securecookie", "github.com/gorilla/websocket", "github.com/leodido/go-urn",
	"github.com/oklog/ulid/v2", "github.com/olahol/melody", "go.etcd.io/bbolt",
	"golang.org/x/crypto", "golang.org/x/sys", "golang.org/x/text", "golang.org/x/time",
}

func applicationOptions(name, folder, module string) scaffolds.Options {
	return scaffolds.Options{Name: name, Folder: folder, Module: module, Version: released(), Source: sourceTree(), Modules: modules}
}

// tidyReleased completes go.mod and go.sum of an application that requires a
// released tower, whose sums are only known to the network.
func tidyReleased(cmd *cobra.Command, folder string) error {
	if released() == "" {
		return nil
	}
	tidy := exec.CommandContext(cmd.Context(), "go", "mod", "tidy")
	tidy.Dir, tidy.Stderr = folder, cmd.ErrOrStderr()
	if err := tidy.Run(); err != nil {
		return &hintedError{fmt.Errorf("complete go.mod: %w", err), "when there is a network: cd " + folder + " && go mod tidy"}
	}
	return nil
}

// carryOut prints a plan and applies it. A plan with conflicts is printed and
// refused.
func carryOut(out io.Writer, plan *scaffolds.Plan, dryRun bool) error {
	if err := plan.Print(out, planStyle(out)); err != nil {
		return err
	}
	if conflicts := plan.Conflicts(); len(conflicts) > 0 && !dryRun {
		return &hintedError{fmt.Errorf("%s is not as it was generated; nothing was written", conflicts[0].Path),
			"move it away, or overwrite it with --force"}
	}
	if dryRun {
		return nil
	}
	return plan.Apply()
}

// planStyle colors what a plan says on a terminal.
func planStyle(out io.Writer) scaffolds.Style {
	if !hasColor(out) {
		return nil
	}
	colors := map[string]string{"create": "32", "insert": "32", "identical": "90", "overwrite": "33", "conflict": "31", "remove": "31", "keep": "33", "+": "32", "-": "31", "@": "36"}
	return func(what, text string) string {
		if code, ok := colors[what]; ok {
			return "\x1b[" + code + "m" + text + "\x1b[0m"
		}
		return text
	}
}

// oneArgument is the Args of a command that takes exactly one.
func oneArgument(name, means string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return &usageError{message: fmt.Sprintf("%s needs %s: %s", cmd.Name(), name, means), hint: "see: " + cmd.CommandPath() + " --help"}
		case 1:
			return nil
		}
		return &usageError{message: fmt.Sprintf("%s takes one argument, and was given %s", cmd.Name(), strings.Join(args, " ")), hint: "see: " + cmd.CommandPath() + " --help"}
	}
}

// wrongArguments makes wrong use of an error about what was asked for, unless
// the machine is to blame.
func wrongArguments(err error, command string) error {
	if errors.As(err, new(*fs.PathError)) {
		return err
	}
	return &usageError{message: err.Error(), hint: "see: tower " + command + " --help"}
}
