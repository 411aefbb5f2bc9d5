package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/dev"
)

func newBuild() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build the application as one file for production",
		Long: `Build the application as one file that includes its views and public files. GOOS and
GOARCH set the target system, as for go build.`,
		Example: `  tower build
  tower build -o /srv/blog
  GOOS=linux GOARCH=arm64 tower build -o blog-arm64`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := findApplication()
			if err != nil {
				return err
			}
			path, err := outputPath(app, out)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), endSignals...)
			defer stop()
			var say func(string)
			if isTerminal(cmd.ErrOrStderr()) {
				say = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
			}
			leftOut, err := dev.Build(ctx, app.Folder, path, true, say)
			if err != nil {
				return err
			}
			if len(leftOut) > 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), dev.LeftOut(leftOut))
			}
			info, err := os.Stat(path)
			if err != nil {
				return fmt.Errorf("read the built program: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "built %s, %.1f MB\n", shortPath(path), float64(info.Size())/1e6)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write, or folder for it (default: the application's name, in its folder)")
	return cmd
}

// outputPath returns the path of the program to write.
func outputPath(app *application, out string) (string, error) {
	name := app.Name
	if target := os.Getenv("GOOS"); target == "windows" || target == "" && runtime.GOOS == "windows" {
		name += ".exe"
	}
	if out == "" {
		out = filepath.Join(app.Folder, name)
	}
	path, err := filepath.Abs(out)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", out, err)
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, name)
		info, err = os.Stat(path)
	}
	if err == nil && info.Mode()&fs.ModeType != 0 {
		return "", &hintedError{
			fmt.Errorf("%s already exists and is not a file", shortPath(path)),
			"choose another name: tower build -o FILE",
		}
	}
	return path, nil
}

// shortPath returns a path relative to the working directory, if that is shorter.
func shortPath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(here, path)
	if err != nil || len(relative) > len(path) {
		return path
	}
	return relative
}
