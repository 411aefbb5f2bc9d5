package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

func newDB() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db COMMAND",
		Short: "Look after the application's data",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommandError(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newDBBackup(), newDBRestore(), newDBDrill(), newDBCheck(), newDBCompact(), newDBStatus(), newDBMigrate())
	return cmd
}

func newDBCheck() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the whole file of the data",
		Long: `Check the whole file of the data: its pages, the records, the indexes against the
records, and the log against both. List what is wrong, and the records that do not fit
their models. The exit code is 1 if anything is wrong.

The running application makes no commit meanwhile; if none runs, tower db check starts
it.`,
		Example: `  tower db check
  tower db check --env production`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			var found []string
			err := withApplication(cmd, env, func(_ *appDialer, connected *control.Client) error {
				return connected.Do(cmd.Context(), wire.ControlRequest{Do: wire.DoCheck}, &found)
			})
			if err != nil {
				return err
			}
			for _, line := range found {
				fmt.Fprintln(cmd.OutOrStdout(), term.Clean(line))
			}
			if len(found) > 0 {
				return &hintedError{errors.New("the data is not in order"), "a damaged file is best replaced by a backup; a record is mended by an update that sets its fields"}
			}
			fmt.Fprintln(cmd.OutOrStdout(), "The data is in order.")
			return nil
		},
	}
	cmd.Flags().StringVar(&env, "env", "development", "the environment whose data to check")
	return cmd
}
