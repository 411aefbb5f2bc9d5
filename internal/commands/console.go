package commands

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/repl/control"
)

// Console returns the command console.
func (find Find) Console() *cobra.Command {
	o := repl.Options{}
	var choice *Choice
	cmd := &cobra.Command{
		Use:     "console [FILE]",
		Aliases: []string{"c"},
		Short:   "Inspect and change the running application",
		Long: `Open a console on the running application. If the application is not running, the
console starts it. The console evaluates JavaScript with the application's models in it.
Every record that it creates or changes reaches the connected browsers through their
cursors, and the console shows how.

With --sandbox all writes stay in a transaction: diff() shows the changes, impact() shows
who would see them, and commit() commits them.

With -e, a file or piped input, the console prints each result, and the exit code is 1 if
something failed. In production it asks for confirmation before it deletes or changes
many records; in a script, use --yes.`,
		Example: `  tower console
  tower console -e 'Post.count()'
  tower console --json -e 'Post.where({published: true}).limit(5)'
  tower console --sandbox
  tower console seeds.js`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && len(o.Expr) > 0 {
				return cli.Usage("a file and -e cannot be used together", "evaluate one after the other")
			}
			if len(args) == 1 {
				file, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("open the script: %w", err)
				}
				defer file.Close()
				o.Script, o.ScriptName = file, args[0]
			}
			return choice.with(cmd, func(d *dialer) error {
				first, err := d.dial(cmd.Context())
				if err != nil {
					return err
				}
				o.Dial = func(ctx context.Context) (*control.Client, error) {
					if client := first; client != nil {
						first = nil
						return client, nil
					}
					return d.dial(ctx)
				}
				o.Input, o.Output, o.Err = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
				if code := repl.Run(cmd.Context(), o); code != 0 {
					return cli.ExitCode(code)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringArrayVarP(&o.Expr, "eval", "e", nil, "evaluate JavaScript and print the result; can be repeated")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print each result as one line of JSON")
	cmd.Flags().BoolVar(&o.Plain, "plain", false, "print lines without color, for screen readers")
	cmd.Flags().BoolVar(&o.ReadOnly, "read-only", false, "refuse all changes")
	cmd.Flags().BoolVar(&o.Sandbox, "sandbox", false, "discard all changes, unless commit() is called")
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "answer yes to all questions")
	choice = find.ChooseRunning(cmd, "environment in which to start an application that is not running")
	return cmd
}
