package commands

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

var profiles = []string{"cpu", "heap", "allocs", "goroutine"}

// Profile returns the command profile.
func (find Find) Profile() *cobra.Command {
	var during time.Duration
	var choice *Choice
	cmd := &cobra.Command{
		Use:   "profile KIND [FILE]",
		Short: "Write a profile of the running application",
		Long: `Write a profile of the running application to a file, for go tool pprof. It comes over
the console's socket, and never over the network: in production TOWER_CONSOLE=on opens that.

  cpu        where it spends its time, during --for
  heap       what memory is in use
  allocs     what memory was allocated since it started
  goroutine  what each goroutine does

FILE is KIND.pprof unless it is given, and must not exist.`,
		Example: `  tower profile cpu --for 30s
  tower profile heap before.pprof
  go tool pprof -http :8080 cpu.pprof`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 || !slices.Contains(profiles, args[0]) {
				return cli.Usage("profile takes a kind and at most one file; the kinds are "+strings.Join(profiles, ", "), "see: "+cmd.CommandPath()+" --help")
			}
			if during <= 0 {
				return cli.Usage(fmt.Sprintf("--for is %s", during), "it is a time like 10s")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0] + ".pprof"
			if len(args) == 2 {
				path = args[1]
			}
			if err := choice.profile(cmd, args[0], path, during); err != nil {
				return fmt.Errorf("profile: %w", err)
			}
			return nil
		},
	}
	choice = find.ChooseRunning(cmd, "the environment of the application")
	cmd.Flags().DurationVar(&during, "for", 10*time.Second, "how long to watch the processor")
	return cmd
}

// profile asks the running application for a profile, and writes it to a new file.
func (c *Choice) profile(cmd *cobra.Command, kind, path string, during time.Duration) (err error) {
	ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
	defer stop()
	app, err := c.Application(ctx)
	if err != nil {
		return err
	}
	client, err := app.AttachInEnv(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		return cli.Hinted(errors.New("the application is not running"), "start it; in production set TOWER_CONSOLE=on")
	}
	if err != nil {
		return err
	}
	defer client.Close()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cli.Hinted(fmt.Errorf("%s exists", path), "give another name, or remove it first")
	}
	if err != nil {
		return err
	}
	var profile []byte
	err = client.Do(ctx, wire.ControlRequest{Do: wire.DoProfile, Name: kind, Key: during.String()}, &profile)
	if err == nil {
		_, err = file.Write(profile)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s; read it with: go tool pprof %s\n", path, term.Bytes(int64(len(profile))), path)
	return nil
}
