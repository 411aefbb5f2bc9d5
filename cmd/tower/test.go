package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
)

func newTest() *cobra.Command {
	return &cobra.Command{
		Use:   "test [FOLDER…] [flags of go test]",
		Short: "Run the application's tests",
		Long: `Run the tests of the application, or of some of its folders, with go test. The flags
and the exit code are those of go test. As tower server does, it builds without C, unless
CGO_ENABLED=1 or a flag such as -race needs it.`,
		Example: `  tower test
  tower test controllers
  tower test -run TestPosts -v`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "-h" || args[0] == "--help") {
				return cmd.Help()
			}
			app, err := findApplication()
			if err != nil {
				return err
			}
			return runTests(cmd, app, args)
		},
	}
}

func runTests(cmd *cobra.Command, app *application, args []string) error {
	args, err := testArguments(app, args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
	defer stop()
	test := exec.CommandContext(ctx, "go", append([]string{"test", "-buildvcs=false", "-trimpath"}, args...)...)
	test.Dir = app.Folder
	test.Env = testEnviron(app, args)
	test.Stdin, test.Stdout, test.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	// In a terminal it receives the signal too, and ends on its own.
	test.Cancel = func() error { return test.Process.Signal(os.Interrupt) }
	test.WaitDelay = 5 * time.Second
	err = test.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return cli.ExitCode(exit.ExitCode())
	case errors.Is(err, exec.ErrNotFound):
		return cli.Hinted(errors.New("the command go was not found"), "install Go from https://go.dev/dl and put it into PATH")
	case err != nil:
		return fmt.Errorf("run go test: %w", err)
	}
	return nil
}

// testEnviron returns the environment of go test. Tests are built as the application is, so
// that what is compiled for one serves the other.
func testEnviron(app *application, args []string) []string {
	environ := append(os.Environ(), "TOWER_ENV=test", "PWD="+app.Folder)
	if slices.ContainsFunc(slices.Concat(args, strings.Fields(os.Getenv("GOFLAGS"))), needsC) {
		return environ
	}
	return append([]string{"CGO_ENABLED=0"}, environ...) // the last of a name counts
}

// needsC reports whether a flag of go test asks for a detector, which is written in C.
func needsC(flag string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
	return strings.HasPrefix(flag, "-") && slices.Contains([]string{"race", "msan", "asan"}, name)
}

// testArguments returns the arguments of go test. Folders of the application come first,
// where ./ may be omitted, or with ./ among the flags, as for go test. Without a folder,
// all packages are tested.
func testArguments(app *application, args []string) ([]string, error) {
	var packages []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, err := testPackage(app, args[0])
		if err != nil {
			return nil, err
		}
		packages, args = append(packages, name), args[1:]
	}
	if packages == nil {
		own := args
		if i := slices.Index(args, "-args"); i >= 0 {
			own = args[:i]
		}
		if !slices.ContainsFunc(own, func(arg string) bool { return strings.HasPrefix(arg, "./") }) {
			packages = []string{"./..."}
		}
	}
	return append(packages, args...), nil
}

func testPackage(app *application, name string) (string, error) {
	if strings.HasPrefix(name, ".") || strings.Contains(name, "...") || name == app.Module || strings.HasPrefix(name, app.Module+"/") {
		return name, nil
	}
	info, err := os.Stat(filepath.Join(app.Folder, name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return "", cli.Usage(fmt.Sprintf("the application has no folder %q", name), "to run tests by name: tower test -run "+name)
	}
	if err != nil {
		return "", fmt.Errorf("find the tests: %w", err)
	}
	return "./" + filepath.ToSlash(filepath.Clean(name)), nil
}
