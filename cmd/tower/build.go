package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/repl/term"
)

func newBuild() *cobra.Command {
	var out, version string
	target := dev.Target{Production: true}
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build the application as one file for production",
		Long: `Build the application as one file that includes its views and public files. It needs
nothing else: no Go, and no libraries of the system. (CGO_ENABLED=1 builds applications
that need C.)

The program states its version, by default that of git describe, when it starts.`,
		Example: `  tower build
  tower build -o /srv/blog
  tower build --os linux --arch arm64 -o blog-arm64`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := findApplication()
			if err != nil {
				return err
			}
			if err := checkPlatform(cmd.Context(), target.OS, target.Arch); err != nil {
				return err
			}
			path, err := outputPath(app, out, target.OS)
			if err != nil {
				return err
			}
			target.Folder, target.Out = app.Folder, path
			target.Version, target.Commit = describeCheckout(cmd.Context(), app.Folder)
			if version != "" {
				target.Version = version
			}
			if strings.ContainsAny(target.Version, "' \t\n") {
				return cli.Usage(fmt.Sprintf("%q is no version: it has spaces or quotes", target.Version), "tower build --version v1.2.0")
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
			defer stop()
			var say func(string)
			if cli.IsTerminal(cmd.ErrOrStderr()) {
				say = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
			}
			leftOut, err := dev.Build(ctx, target, say)
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
			fmt.Fprintf(cmd.OutOrStdout(), "built %s, %s%s\n", shortPath(path), term.Bytes(info.Size()), stated(target))
			fmt.Fprintf(cmd.OutOrStdout(), "\nNext:\n  TOWER_ENV=production TOWER_SECRET=… ./%s    (openssl rand -base64 32 makes a secret)\n", filepath.ToSlash(shortPath(path)))
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write, or folder for it (default: the application's name, in its folder)")
	cmd.Flags().StringVar(&target.OS, "os", "", "operating system to build for, like linux (default: this one, or GOOS)")
	cmd.Flags().StringVar(&target.Arch, "arch", "", "architecture to build for, like arm64 (default: this one, or GOARCH)")
	cmd.Flags().StringVar(&version, "version", "", "version that the program states (default: that of git describe)")
	return cmd
}

// stated returns what the program will state of itself.
func stated(t dev.Target) string {
	text := ""
	if t.Version != "" {
		text += ", version " + t.Version
	}
	if t.OS+t.Arch != "" {
		text += ", for " + cmp.Or(t.OS, os.Getenv("GOOS"), runtime.GOOS) + "/" + cmp.Or(t.Arch, os.Getenv("GOARCH"), runtime.GOARCH)
	}
	return text
}

// checkPlatform returns an error if Go does not build for a system.
func checkPlatform(ctx context.Context, system, arch string) error {
	if system+arch == "" {
		return nil
	}
	known, err := exec.CommandContext(ctx, "go", "tool", "dist", "list").Output()
	if err != nil {
		return nil // go build will say why
	}
	wanted := cmp.Or(system, os.Getenv("GOOS"), runtime.GOOS) + "/" + cmp.Or(arch, os.Getenv("GOARCH"), runtime.GOARCH)
	if !slices.Contains(strings.Fields(string(known)), wanted) {
		return cli.Usage("Go does not build for "+wanted, "go tool dist list prints the systems that it builds for")
	}
	return nil
}

// describeCheckout returns the version and the commit of the git checkout that a folder
// belongs to; "" if it belongs to none.
func describeCheckout(ctx context.Context, folder string) (version, commit string) {
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", folder}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	return git("describe", "--tags", "--always", "--dirty"), git("rev-parse", "HEAD")
}

// outputPath returns the path of the program to write.
func outputPath(app *application, out, system string) (string, error) {
	name := app.Name
	if target := cmp.Or(system, os.Getenv("GOOS")); target == "windows" || target == "" && runtime.GOOS == "windows" {
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
		return "", cli.Hinted(fmt.Errorf("%s already exists and is not a file", shortPath(path)), "choose another name: tower build -o FILE")
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
