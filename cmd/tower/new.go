package main

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/vendored"
	"github.com/towerkit/tower/scaffolds"
)

func newNew() *cobra.Command {
	var module string
	var dryRun, vendor bool
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Create an application",
		Long: `Create an application in a new folder. It builds, passes its own tests, and its pages
are live. Until tower is released, the application carries its source, in
` + scaffolds.Vendored + `, so that it builds wherever there is Go.`,
		Example: `  tower new blog
  tower new blog --module example.com/blog`,
		Args: cli.OneArgument("NAME", "the name of the application, as in: tower new blog"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := filepath.Base(args[0])
			options := applicationOptions(name, args[0], module)
			options.Vendor = vendor && options.Source != ""
			plan, err := scaffolds.New(options)
			if err != nil {
				return cli.ArgumentError(cmd, err)
			}
			if err := applyPlan(cmd.OutOrStdout(), plan, dryRun); err != nil || dryRun {
				return err
			}
			if options.Vendor {
				made, err := vendored.Replace(options.Source, args[0], false)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "  create  %s/  %d files of tower, %s\n", scaffolds.Vendored, made.Files, term.Bytes(made.Size))
			}
			if err := tidyReleased(cmd, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nNext:\n  cd %s\n  tower generate scaffold Post title:string body:text published:bool\n  tower server    (the first build compiles everything and takes a minute or two)\n", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&module, "module", "", "path of its Go module (default: NAME)")
	cmd.Flags().BoolVar(&vendor, "vendor", true, "carry tower's source, so that the application builds anywhere; a released tower is required by its version instead")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the plan, and write nothing")
	return cmd
}

// requiredModules are the requirements of tower that an application needs too.
var requiredModules = []string{
	"github.com/VictoriaMetrics/metrics", "github.com/adhocore/gronx", "github.com/alexedwards/argon2id", "github.com/aymanbagabas/go-osc52/v2", "github.com/bep/imagemeta", "github.com/caarlos0/env/v11", "github.com/charmbracelet/bubbles",
	"github.com/charmbracelet/bubbletea", "github.com/charmbracelet/colorprofile", "github.com/charmbracelet/lipgloss", "github.com/charmbracelet/x/ansi", "github.com/charmbracelet/x/cellbuf",
	"github.com/charmbracelet/x/term", "github.com/clipperhouse/displaywidth", "github.com/clipperhouse/uax29/v2", "github.com/coreos/go-systemd/v22", "github.com/dlclark/regexp2/v2",
	"github.com/dop251/goja", "github.com/erikgeiser/coninput", "github.com/gabriel-vasile/mimetype", "github.com/go-playground/locales", "github.com/go-playground/universal-translator",
	"github.com/go-playground/validator/v10", "github.com/go-sourcemap/sourcemap", "github.com/google/pprof", "github.com/gorilla/securecookie", "github.com/gorilla/websocket",
	"github.com/inconshreveable/mousetrap", "github.com/jackc/pgpassfile", "github.com/jackc/pgservicefile", "github.com/jackc/pgx/v5", "github.com/jackc/puddle/v2", "github.com/joho/godotenv", "github.com/klauspost/compress", "github.com/leodido/go-urn", "github.com/lucasb-eyer/go-colorful",
	"github.com/mattn/go-isatty", "github.com/mattn/go-localereader", "github.com/mattn/go-runewidth", "github.com/muesli/ansi", "github.com/muesli/cancelreader", "github.com/muesli/termenv",
	"github.com/oklog/ulid/v2", "github.com/olahol/melody", "github.com/rivo/uniseg", "github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/valyala/fastrand",
	"github.com/valyala/histogram", "github.com/wneessen/go-mail", "github.com/xo/terminfo", "go.etcd.io/bbolt", "golang.org/x/crypto", "golang.org/x/image", "golang.org/x/mod", "golang.org/x/net", "golang.org/x/sync", "golang.org/x/sys", "golang.org/x/text",
	"golang.org/x/time",
}

func applicationOptions(name, folder, module string) scaffolds.Options {
	return scaffolds.Options{Name: name, Folder: folder, Module: module, Version: released(), Source: sourceTree(), Modules: requiredModules}
}

// tidyReleased runs go mod tidy in an application that requires a released tower. Its sums
// must be read from the network.
func tidyReleased(cmd *cobra.Command, folder string) error {
	if released() == "" {
		return nil
	}
	tidy := exec.CommandContext(cmd.Context(), "go", "mod", "tidy")
	tidy.Dir, tidy.Stderr = folder, cmd.ErrOrStderr()
	if err := tidy.Run(); err != nil {
		return cli.Hinted(fmt.Errorf("complete go.mod: %w", err), "when the network is available: cd "+folder+" && go mod tidy")
	}
	return nil
}
