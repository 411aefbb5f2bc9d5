package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands/db"
	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/scaffolds"
)

func newGenerateMigration() *cobra.Command {
	var env string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "migration [NAME]",
		Short: "Generate a migration of stored records",
		Long: `Generate a migration in the folder migrations, and list it in migrations.All, which the
tower.Config of the application returns to tower.

Without a name, tower compares the models with what is stored, and writes the steps that
would mend the difference: look at them before they run.`,
		Example: `  tower generate migration split_names
  tower generate migration`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usage(fmt.Sprintf("a migration has one name, and %q is too much", args[1]), "see: tower generate migration --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := findApplication()
			if err != nil {
				return err
			}
			var suggested *wire.SuggestedMigration
			name := strings.Join(args, "")
			if name == "" {
				report, err := app.migrate(cmd.Context(), wire.MigratePlan, env, cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				if suggested = report.Suggest; suggested == nil {
					return cli.Hinted(errors.New("nothing has changed that a migration could mend"), "give it a name to write one yourself: tower generate migration NAME")
				}
				name = suggestedName(report)
			}
			plan, err := scaffolds.GenerateMigration(app.Folder, name, time.Now(), suggested)
			if err != nil {
				return cli.ArgumentError(cmd, err)
			}
			if err := applyPlan(cmd.OutOrStdout(), plan, dryRun); err != nil || suggested == nil {
				return err
			}
			for _, tag := range suggested.Tags {
				fmt.Fprintf(cmd.OutOrStdout(), "\nOr: %s.\n", tag)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&env, "env", "development", "the environment whose data to compare the models with")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the plan, and change nothing")
	return cmd
}

// suggestedName returns a name for a migration that mends what has changed.
func suggestedName(r *wire.MigrationReport) string {
	var models []string
	for _, c := range r.Changes {
		if !slices.Contains(models, c.Model) && c.Kind != "new model" && c.Kind != "new field" {
			models = append(models, c.Model)
		}
	}
	return fmt.Sprintf("change_%s_%d", strings.Join(models, "_and_"), len(r.Done)+len(r.Pending)+1)
}

// migrate builds the application, runs it for a task and returns its report. Its
// progress and what it logs go to progress.
func (app *application) migrate(ctx context.Context, task, env string, progress io.Writer) (*wire.MigrationReport, error) {
	binary, remove, err := dev.BuildTemporary(ctx, dev.Target{Folder: app.Folder, Production: env == "production", Environ: os.Environ()})
	if err != nil {
		return nil, err
	}
	defer remove()
	child := exec.CommandContext(ctx, binary)
	child.Dir = app.Folder
	child.Env = append(os.Environ(), "PWD="+app.Folder, "TOWER_FOLDER="+app.Folder)
	return db.RunTask(child, task, env, progress)
}
