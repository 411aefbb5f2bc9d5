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
		Short: "Build the application as one file, for production",
		Long: `Build the application as one file that needs nothing beside it: views and public
files are in it. GOOS and GOARCH say for which system, as with go build.`,
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
			if err := dev.Build(ctx, app.Folder, path, true); err != nil {
				return err
			}
			info, err := os.Stat(path)
			if err != nil {
				return fmt.Errorf("read what was built: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "built %s, %.1f MB\n", shortPath(path), float64(info.Size())/1e6)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write, or a folder for it (default: the application's name, in its folder)")
	return cmd
}

// outputPath is where the program is written.
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
			fmt.Errorf("%s is there already, and is not a file", shortPath(path)),
			"give another name: tower build -o FILE",
		}
	}
	return path, nil
}

// shortPath is a path as short as it can be said.
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
