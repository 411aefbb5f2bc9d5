package db

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
)

func newSeed(find commands.Find) *cobra.Command {
	var choice *commands.Choice
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Create the records that the application begins with",
		Long: `Have the application run its seed: the function Seed of its tower.Config. What that has
created before an error stays.

The running application does it, and its clients receive what it creates; if none runs, it
is started.`,
		Example: `  tower db seed
  tower db seed --env production`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return connectedIn(choice, cmd, func(client *control.Client) error {
				if err := client.Do(cmd.Context(), wire.ControlRequest{Do: wire.DoSeed}, nil); err != nil {
					return fmt.Errorf("seed: %w", err)
				}
				fmt.Fprintln(cmd.OutOrStdout(), "The seed has run.")
				return nil
			})
		},
	}
	choice = find.ChooseRunning(cmd, "the environment whose data to seed")
	return cmd
}
