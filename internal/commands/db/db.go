// Package db has the commands that look after the data of an application.
package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// New returns the command db of the application that find finds.
func New(find commands.Find) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db COMMAND",
		Short: "Look after the application's data",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.UnknownCommandError(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newBackup(find), newRestore(find), newDrill(find), newCheck(find), newCompact(find), newExport(find), newImport(find), newSeed(find), newErase(find), newStatus(find), newMigrate(find), newCopy(find))
	return cmd
}

func newCheck(find commands.Find) *cobra.Command {
	var choice *commands.Choice
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the whole file of the data",
		Long: `Check the whole file of the data: its pages, the records, the indexes against the
records, and the log against both. List what is wrong, and the records that do not fit
their models. The exit code is 1 if anything is wrong.

If nodes share a database, the file is the replica of one of them. It is also compared with
the tables and the log of the database, record by record.

The running application makes no commit meanwhile; if none runs, tower db check starts
it.`,
		Example: `  tower db check
  tower db check --env production`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			var checked wire.Checked
			err := choice.Connected(cmd, func(connected *control.Client) error {
				return connected.Do(cmd.Context(), wire.ControlRequest{Do: wire.DoCheck}, &checked)
			})
			if err != nil {
				return err
			}
			for _, line := range checked.Found {
				fmt.Fprintln(cmd.OutOrStdout(), term.Clean(line))
			}
			if c := checked.Compared; c != nil {
				fmt.Fprintf(cmd.OutOrStdout(), "The database and the node's file were compared as of commit %d: %s.\n", c.Seq, countedParts(c))
			}
			if len(checked.Found) > 0 {
				return cli.Hinted(errors.New("the data is not in order"), "a damaged file is best replaced by a backup; a record is mended by an update that sets its fields")
			}
			fmt.Fprintln(cmd.OutOrStdout(), "The data is in order.")
			return nil
		},
	}
	choice = find.ChooseRunning(cmd, "the environment whose data to check")
	return cmd
}

func newCompact(find commands.Find) *cobra.Command {
	var choice *commands.Choice
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Return the unused space of the data's file",
		Long: `Replace the file of the data by one without the pages that are no longer used. The
application may run, be read and be written to meanwhile. The disk must have room for the
new file beside the old one.`,
		Example: `  tower db compact
  tower db compact --env production`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := choice.Application(cmd.Context())
			if err != nil {
				return err
			}
			progress := cli.NewProgress(cmd.ErrOrStderr())
			sizes, err := compact(cmd.Context(), app, progress)
			progress.End()
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The file had %s and has %s.\n", term.Bytes(sizes.Before), term.Bytes(sizes.After))
			return nil
		},
	}
	choice = find.ChooseRunning(cmd, "the environment whose data to compact")
	return cmd
}

// compact compacts the store, with the help of the application if it is running.
func compact(ctx context.Context, app *commands.Application, progress *cli.Progress) (sizes wire.Compacted, err error) {
	report := func(done, total int64) { progress.Report("compacting", done, total) }
	client, err := app.AttachInEnv(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		file, err := app.OpenStopped()
		if err != nil {
			return sizes, err
		}
		defer file.Close()
		compacted, err := file.Compact(ctx, report)
		return wire.Compacted(compacted), err
	}
	if err != nil {
		return sizes, err
	}
	defer client.Close()
	err = doReporting(ctx, client, wire.ControlRequest{Do: wire.DoCompact}, &sizes, report)
	return sizes, err
}

// connectedIn is like [commands.Choice.Connected], for commands that write: the application must
// not run in another environment than the one that is named.
func connectedIn(choice *commands.Choice, cmd *cobra.Command, do func(*control.Client) error) error {
	app, err := choice.Application(cmd.Context())
	if err != nil {
		return err
	}
	return app.Connected(cmd, func(client *control.Client) error {
		if running := client.Hello().Env; running != app.Env {
			return cli.Hinted(fmt.Errorf("the application runs in %s, not in %s", running, app.Env), "name that with --env "+running+", or stop the application first")
		}
		return do(client)
	})
}

// doReporting is like [control.Client.Do], and reports how far the request has come.
func doReporting(ctx context.Context, client *control.Client, req wire.ControlRequest, out any, report func(done, total int64)) error {
	return doReportingSteps(ctx, client, req, out, func(p *wire.Progress) { report(p.Done, p.Total) })
}

// doReportingSteps is doReporting for a request of several steps.
func doReportingSteps(ctx context.Context, client *control.Client, req wire.ControlRequest, out any, report func(*wire.Progress)) error {
	answered, reported := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(reported)
		for {
			select {
			case event, open := <-client.Events():
				if !open {
					return
				}
				if p := event.Progress; p != nil {
					report(p)
				}
			case <-answered:
				return
			}
		}
	}()
	err := client.Do(ctx, req, out)
	close(answered)
	<-reported
	return err
}
