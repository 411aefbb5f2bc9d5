package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/repl/control"
)

// A Find finds the application that a command line is about.
type Find func() (*Application, error)

// A Choice is the application that a command is about, and its environment, by the flags of
// the command.
type Choice struct {
	find   Find
	env    cli.EnvFlag
	socket string
}

// Choose adds the flag --env to a command. means says what the environment is for.
func (find Find) Choose(cmd *cobra.Command, means string) *Choice {
	c := &Choice{find: find}
	cmd.Flags().Var(&c.env, "env", means+" (default: that of the running application, TOWER_ENV, or development)")
	_ = cmd.RegisterFlagCompletionFunc("env", cobra.FixedCompletions(cli.Environments, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

// ChooseRunning adds the flags --env and --socket to a command, which needs nothing of an
// application but that it runs.
func (find Find) ChooseRunning(cmd *cobra.Command, means string) *Choice {
	c := find.Choose(cmd, means)
	cmd.Flags().StringVar(&c.socket, "socket", "", "the control socket of a running application, whose source need not be here")
	cmd.MarkFlagsMutuallyExclusive("env", "socket")
	return c
}

// Application returns the application that the flags choose, with its environment.
func (c *Choice) Application(ctx context.Context) (*Application, error) {
	app := &Application{socket: c.socket}
	if c.socket == "" {
		found, err := c.find()
		if err != nil {
			return nil, err
		}
		*app = *found
	}
	if env := string(c.env); env != "" {
		if app.Env != "" && app.Env != env {
			return nil, cli.Usage(fmt.Sprintf("the program runs in %s only", app.Env), "its Config.Env says so: leave --env out")
		}
		app.Env = env
	}
	if app.Env != "" {
		return app, nil
	}
	client, err := app.Attach(ctx)
	if errors.Is(err, control.ErrNotRunning) && c.socket == "" {
		app.Env = cmp.Or(os.Getenv("TOWER_ENV"), "development")
		return app, nil
	}
	if err != nil {
		return nil, err
	}
	defer client.Close()
	hello := client.Hello()
	app.Env, app.Name = hello.Env, cmp.Or(app.Name, hello.App)
	return app, nil
}

// with calls do with a dialer for the application, and ends the application if do has
// started it.
func (c *Choice) with(cmd *cobra.Command, do func(*dialer) error) error {
	app, err := c.Application(cmd.Context())
	if err != nil {
		return err
	}
	return app.with(cmd, do)
}

// Connected calls do with a connection to the application, which it starts if it is not
// running, and ends again when do returns.
func (c *Choice) Connected(cmd *cobra.Command, do func(*control.Client) error) error {
	app, err := c.Application(cmd.Context())
	if err != nil {
		return err
	}
	return app.Connected(cmd, do)
}
