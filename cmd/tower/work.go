package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/dev"
)

// endWait is how long a worker may take to return what it runs.
const endWait = 15 * time.Second

func newWork() *cobra.Command {
	env := cli.EnvFlag("development")
	cmd := &cobra.Command{
		Use:     "work",
		Short:   "Run the application's jobs in a process of their own",
		Long:    commands.WorkLong,
		Example: commands.WorkExample,
		Args:    cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := findApplication()
			if err != nil {
				return err
			}
			app.Env = string(env)
			if err := app.CanWork(); err != nil {
				return err
			}
			return app.work(cmd)
		},
	}
	cmd.Flags().Var(&env, "env", "development, test or production")
	_ = cmd.RegisterFlagCompletionFunc("env", cobra.FixedCompletions(cli.Environments, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

// work builds the application, and runs it as a worker until a signal ends it.
func (app *application) work(cmd *cobra.Command) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
	defer stop()
	binary, remove, err := dev.BuildTemporary(ctx, dev.Target{Folder: app.Folder, Production: app.Env == "production", Environ: os.Environ()})
	if err != nil {
		return err
	}
	defer remove()
	child := exec.CommandContext(ctx, binary)
	child.Dir = app.Folder
	child.Env = append(os.Environ(), "PWD="+app.Folder, "TOWER_FOLDER="+app.Folder, "TOWER_ENV="+app.Env, "TOWER_WORK=on")
	child.Stdout, child.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
	child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
	child.WaitDelay = endWait
	if err := child.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the worker ended: %w", err)
	}
	return nil
}
