package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/vendored"
	"github.com/towerkit/tower/scaffolds"
)

func newVendor() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "vendor",
		Short: "Copy tower's source into the application",
		Long: `Copy the source of tower that this command was built from into the application, to
` + scaffolds.Vendored + `, and have go.mod use it. The application then builds wherever there is Go, and
go install ./` + scaffolds.Vendored + `/cmd/tower, run in that folder, installs this command.

A copy that is there is replaced, unless it was changed by hand. tower upgrade replaces
it too, and says what has changed.`,
		Example: "  tower vendor",
		Args:    cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := findApplication()
			if err != nil {
				return err
			}
			source := sourceTree()
			if source == "" {
				return cli.Hinted(errors.New("the source that this command was built from is not there"), "released versions need no copy: go get "+towerModule+"@latest")
			}
			made, err := vendored.Replace(source, app.Folder, force)
			if errors.Is(err, vendored.ErrEdited) {
				return cli.Hinted(err, "tower vendor --force replaces it")
			}
			if err != nil {
				return err
			}
			if err := useVendored(app.Folder); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "copied tower to %s: %d files, %s; commit them with the application\n", scaffolds.Vendored, made.Files, term.Bytes(made.Size))
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a copy that was changed by hand")
	return cmd
}

// useVendored has the application's go.mod use the copy of tower in its folder.
func useVendored(folder string) error {
	name := filepath.Join(folder, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read go.mod: %w", err)
	}
	mod, err := modfile.Parse(name, text, nil)
	if err != nil {
		return fmt.Errorf("read go.mod: %w", err)
	}
	if err := vendored.Use(mod, "./"+scaffolds.Vendored); err != nil {
		return fmt.Errorf("write go.mod: %w", err)
	}
	mod.Cleanup()
	if text, err = mod.Format(); err != nil {
		return fmt.Errorf("write go.mod: %w", err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("write go.mod: %w", err)
	}
	return nil
}
