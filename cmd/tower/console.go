package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
)

func newConsole() *cobra.Command {
	o := repl.Options{}
	env := envFlag("development")
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
				return &usageError{message: "a file and -e cannot be used together", hint: "evaluate one after the other"}
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
	cmd.Flags().StringArrayVarP(&o.Expr, "eval", "e", nil, "evaluate JavaScript and print the result; can be repeated")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print each result as one line of JSON")
	cmd.Flags().BoolVar(&o.Plain, "plain", false, "print lines without color, for screen readers")
	cmd.Flags().BoolVar(&o.ReadOnly, "read-only", false, "refuse all changes")
	cmd.Flags().BoolVar(&o.Sandbox, "sandbox", false, "discard all changes, unless commit() is called")
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "answer yes to all questions")
	cmd.Flags().Var(&env, "env", "environment in which to start an application that is not running")
	cmd.RegisterFlagCompletionFunc("env", cobra.FixedCompletions(environments, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// An attachment is a console's way to its application: the one that runs, or
// one of its own.
type attachment struct {
	app      *application
	env      string
	progress io.Writer

	mu    sync.Mutex
	began bool // it was attached once
	own   *dev.App
}

// dial attaches to the application. The first time it starts one that does not
// run; one that has gone away comes back by itself, or not.
func (a *attachment) dial(ctx context.Context) (*control.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	client, err := attach(ctx, a.app)
	if a.began || !errors.Is(err, control.ErrNotRunning) {
		a.began = a.began || err == nil
		return client, err
	}
	fmt.Fprintln(a.progress, "starting the application, which does not run yet")
	own, err := dev.Start(ctx, dev.Options{Folder: a.app.Folder, Env: a.env, Output: nil})
	if err != nil {
		var running *dev.RunningError
		if errors.As(err, &running) { // it is just starting
			return nil, fmt.Errorf("%w yet: %w", control.ErrNotRunning, err)
		}
		return nil, err
	}
	a.own, a.began = own, true
	return attach(ctx, a.app)
}

func (a *attachment) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.own != nil {
		_ = a.own.Close() // what it was asked has been answered
	}
}

// attach connects to the running application. The error is repl.ErrNotRunning
// when it does not run.
func attach(ctx context.Context, app *application) (*control.Client, error) {
	runtime := wire.RuntimeFolder(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid())
	return control.Attach(ctx, wire.SocketPath(app.Folder, runtime), "console:"+userName())
}

func userName() string {
	if who, err := user.Current(); err == nil {
		return who.Username
	}
	return "unknown"
}
