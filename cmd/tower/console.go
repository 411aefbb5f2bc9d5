package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/repl"
)

func newConsole() *cobra.Command {
	o := repl.Options{}
	env := envFlag("development")
	cmd := &cobra.Command{
		Use:     "console [FILE]",
		Aliases: []string{"c"},
		Short:   "Look into the running application, and change it",
		Long: `Open a console on the running application, or start it if it does not run. It speaks
JavaScript, with the application's models in it; every record that is made or changed
travels through connection cursors into connected browsers, and the console shows it
happen.

With --sandbox what is written stays in a transaction that nobody sees: diff() says what
it would change, impact() who would see what of it, and commit() makes it so.

With -e, a file or piped input it is a script's tool: each result is printed, and the
exit code is 1 when something failed. In production what would delete or change many
records asks first; a script says --yes.`,
		Example: `  tower console
  tower console -e 'Post.count()'
  tower console --json -e 'Post.where({published: true}).limit(5)'
  tower console --sandbox
  tower console seeds.js`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && len(o.Expr) > 0 {
				return &usageError{message: "a file and -e exclude each other", hint: "evaluate one after the other"}
			}
			app, err := findApplication()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				file, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("open the script: %w", err)
				}
				defer file.Close()
				o.Script, o.ScriptName = file, args[0]
			}
			dialer := &appDialer{app: app, env: string(env), progress: cmd.ErrOrStderr()}
			defer dialer.close()
			o.Dial = dialer.dial
			o.Input, o.Output, o.Err = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			if code := repl.Run(cmd.Context(), o); code != 0 {
				return exitCode(code)
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVarP(&o.Expr, "eval", "e", nil, "evaluate JavaScript and print the result; may be given several times")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print each result as one line of JSON")
	cmd.Flags().BoolVar(&o.Plain, "plain", false, "lines without color, which a screen reader can follow")
	cmd.Flags().BoolVar(&o.ReadOnly, "read-only", false, "refuse to change anything")
	cmd.Flags().BoolVar(&o.Sandbox, "sandbox", false, "throw away what is changed, unless commit() is called")
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "answer yes to all that would be asked")
	cmd.Flags().Var(&env, "env", "in which to start an application that does not run")
	cmd.RegisterFlagCompletionFunc("env", cobra.FixedCompletions(environments, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
