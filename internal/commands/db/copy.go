package db

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/database"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

func newCopy(find commands.Find) *cobra.Command {
	var choice *commands.Choice
	cmd := &cobra.Command{
		Use:   "copy TO",
		Short: "Copy the data into a database that nodes share, or from it to a file",
		Long: `Copy the application's data into an empty PostgreSQL database, or, if TOWER_DB is the address
of one, from it to a new file. All that is copied is compared: the records, the log, and
what is known of calls. The history stays the same, so that clients go on where they were.

The application must not run. What is copied stays as it is. If the command is interrupted
or fails, the target is as it was, and the command can be run again.

A password need not be in the address: PGPASSWORD and ~/.pgpass will do.`,
		Example: `  tower db copy postgres://app@db.internal/app --env production
  TOWER_DB=postgres://app@db.internal/app tower db copy db/production.db --env production`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage("name where to copy the data: one address of a database, or a file", "tower help db copy")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := choice.Application(cmd.Context())
			if err != nil {
				return err
			}
			return copyTo(cmd, app, args[0])
		},
	}
	choice = find.Choose(cmd, "the environment whose data to copy")
	return cmd
}

func copyTo(cmd *cobra.Command, app *commands.Application, to string) error {
	from, err := app.Database()
	if err != nil {
		return err
	}
	into := database.Is(to)
	switch {
	case from != "" && into:
		return cli.Hinted(errors.New("the data are in a database already"), "pg_dump and pg_restore copy one into another")
	case from == "" && !into:
		return cli.Hinted(fmt.Errorf("%s is no address like postgres://user@host/database", to), "tower db backup copies the data to a file; to copy them out of a database, set TOWER_DB to its address")
	case into:
		if from, _, err = app.Data(); err != nil {
			return err
		}
	default:
		if to, err = filepath.Abs(to); err != nil {
			return err
		}
		from = database.Shown(from)
	}
	report, err := app.Migrate(cmd.Context(), wire.MigrateCopy+" "+to, app.Env, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if report.Copied == nil {
		return errors.New("the application has not copied its data: it was built with another version of tower")
	}
	shown := to
	if into {
		shown = database.Shown(to)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s was copied to %s in %.1f s, as of commit %d.\n", from, shown, report.Seconds, report.Copied.Seq)
	fmt.Fprintf(out, "All that was copied was compared, and is the same: %s.\n", countedParts(report.Copied))
	if into {
		fmt.Fprintln(out, "Set TOWER_DB to the address, and start the application. The file stays as it is now.")
	} else {
		fmt.Fprintln(out, "Set TOWER_DB to the file, or leave it out if that is the usual one, and start the application. The database stays as it is now.")
	}
	return nil
}

// countedParts says what was compared: "2 users, 813 commits".
func countedParts(c *wire.Comparison) string {
	var all []string
	for _, part := range c.Parts {
		if part.Count > 0 {
			all = append(all, term.Clean(fmt.Sprintf("%d %s", part.Count, part.Name)))
		}
	}
	if c.Waiting > 0 {
		all = append(all, fmt.Sprintf("but not %s that other programs have just written", cli.Count(c.Waiting, "record")))
	}
	if len(all) == 0 {
		return "nothing is there"
	}
	return strings.Join(all, ", ")
}
