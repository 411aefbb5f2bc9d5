package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/openapi"
	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/upgrade"
	"github.com/towerkit/tower/internal/vendored"
	"github.com/towerkit/tower/scaffolds"
)

func newUpgrade() *cobra.Command {
	var force, dryRun bool
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Move the application to the tower of this command",
		Long: `Move the application to the version of tower that this command is: replace the copy in
` + scaffolds.Vendored + `, or the version that go.mod requires, raise the requirements in go.mod
that tower shares, and write app/tower.d.ts and openapi.json anew if they are there. It
prints what has changed in tower, what was done, and what is left to do.

Before it replaces anything, tower upgrade builds and vets the application with the new
version, and starts it on an empty store. If a step fails, nothing is changed. No other
file is ever changed.`,
		Example: `  tower upgrade --dry-run
  tower upgrade`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := findApplication()
			if err != nil {
				return err
			}
			made, err := upgrade.Prepare(cmd.Context(), upgrade.Options{
				Folder: app.Folder, Required: app.Tower, Replaced: app.Replace,
				Version: released(), Source: sourceTree(), Modules: requiredModules, Force: force, Environ: os.Environ(),
				Progress: func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) },
				Derive: func(ctx context.Context, environ []string) (*scaffolds.Plan, error) {
					return planDerived(ctx, app, environ)
				},
			})
			if err != nil {
				return upgradeError(err)
			}
			defer made.Close()
			return finishUpgrade(cmd, made, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "try it and print the report, and change nothing")
	cmd.Flags().BoolVar(&force, "force", false, "replace a copy that was changed by hand, and also if the application does not build")
	return cmd
}

func finishUpgrade(cmd *cobra.Command, made *upgrade.Upgrade, dryRun bool) error {
	if made.UpToDate() {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "the application has the tower of this command; nothing to do")
		return err
	}
	if err := made.Print(cmd.OutOrStdout()); err != nil {
		return err
	}
	if dryRun {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "This was a dry run: nothing was changed.")
		return err
	}
	return made.Apply()
}

// upgradeError adds what to do to the error of an upgrade that was not made.
func upgradeError(err error) error {
	var unfit *upgrade.UnfitError
	switch {
	case errors.Is(err, vendored.ErrEdited):
		return cli.Hinted(err, "tower upgrade --force replaces it; your changes are lost")
	case errors.As(err, &unfit):
		return cli.Hinted(fmt.Errorf("%w; nothing was changed:\n%s", err, strings.TrimSpace(unfit.Output)),
			"mend it and try again, or take the new tower first: tower upgrade --force")
	}
	return err
}

// planDerived starts an application in an environment, on an empty store, and plans those of
// its files that follow from its code.
func planDerived(ctx context.Context, app *application, environ []string) (plan *scaffolds.Plan, err error) {
	folder, err := private.Temp("tower-upgrade-")
	if err != nil {
		return nil, fmt.Errorf("create a folder for the store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	running, err := dev.Start(ctx, dev.Options{Folder: app.Folder, Environ: append(environ, "TOWER_DB="+filepath.Join(folder, "app.db"), "TOWER_BACKUP=")})
	if errors.As(err, new(*dev.RunningError)) {
		return nil, upgrade.ErrRunning
	}
	if err != nil {
		return nil, err
	}
	defer running.Close()
	connected, err := app.Attach(ctx)
	if err != nil {
		return nil, err
	}
	defer connected.Close()
	schema, err := fetchSchema(ctx, connected)
	if err != nil {
		return nil, err
	}
	plan = &scaffolds.Plan{Folder: app.Folder}
	if hasFile(app.Folder, scaffolds.TypesFile) {
		if plan, err = scaffolds.Types(app.Folder, schema, client.Types(), false); err != nil {
			return nil, err
		}
	}
	if !hasFile(app.Folder, scaffolds.OpenAPIFile) {
		return written(plan), nil
	}
	document, err := openapi.Document(schema, openapi.Info{Title: connected.Hello().App})
	if err != nil {
		return nil, err
	}
	documented, err := scaffolds.OpenAPI(app.Folder, document, openapi.Mark, false)
	if err != nil {
		return nil, err
	}
	documented.Steps = append(plan.Steps, documented.Steps...)
	return written(documented), nil
}

// written leaves the files in a plan that are tower's own and there.
func written(plan *scaffolds.Plan) *scaffolds.Plan {
	plan.Steps = slices.DeleteFunc(plan.Steps, func(s scaffolds.Step) bool { return s.Verb != scaffolds.Update && s.Verb != scaffolds.Identical })
	return plan
}

func hasFile(folder, name string) bool {
	_, err := os.Stat(filepath.Join(folder, filepath.FromSlash(name)))
	return !errors.Is(err, fs.ErrNotExist)
}
