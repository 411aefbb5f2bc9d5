package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands/db"
	"github.com/towerkit/tower/internal/deploy"
	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/wire"
)

func newDeploy() *cobra.Command {
	var folder, ssh string
	d := &deploy.Deployment{Keep: 5}
	cmd := &cobra.Command{
		Use:   "deploy HOST",
		Short: "Bring the application to a host over ssh, and let it serve there",
		Long: `Build the application for a Linux host, upload it over ssh, and let it replace the release
that serves there. No request is refused meanwhile, and every client goes on where it was.

The host is checked for room first. What is pending is migrated while the old release
serves; a migration that would lose data, or leave records that do not fit, is refused
without --accept. The new release starts beside the old one, and takes over when it is
ready. If it does not serve or is not healthy, the old one serves again.

The folder on the host has releases/VERSION, the links current and previous, and the data;
NAME.env there has the settings. tower generate deploy writes what a new host needs.`,
		Example: `  tower deploy blog@example.com
  tower deploy blog@example.com:2222 --dry-run
  tower deploy status blog@example.com
  tower deploy rollback blog@example.com`,
		Args: cli.OneArgument("a host", "blog@example.com"),
	}
	prepare := func(host string) (*application, error) {
		app, err := findApplication()
		if err != nil {
			return nil, err
		}
		d.Host, d.Folder, d.Name = host, cmp.Or(folder, "/srv/"+app.Name), app.Name
		if strings.HasPrefix(host, "-") {
			return nil, cli.Usage(fmt.Sprintf("%q is no host", host), "tower deploy blog@example.com")
		}
		d.SSH = strings.Fields(ssh)
		d.Out = cmd.OutOrStdout()
		return app, nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		app, err := prepare(args[0])
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
		defer stop()
		d.Build = func(ctx context.Context, arch, file string) (string, error) {
			target := dev.Target{Folder: app.Folder, Out: file, Production: true, OS: "linux", Arch: arch}
			target.Version, target.Commit = describeCheckout(ctx, app.Folder)
			_, err := dev.Build(ctx, target, nil)
			return target.Version, err
		}
		d.Migrate = func(output io.Reader, task string, accept bool) (string, error) {
			report, err := db.ReadReport(output, cmd.ErrOrStderr())
			if err != nil || report == nil {
				return "", cmp.Or(err, io.ErrUnexpectedEOF)
			}
			if accept {
				return "", nil
			}
			return cmp.Or(report.Refused, losses(report)), nil
		}
		return d.Run(ctx)
	}
	cmd.Flags().BoolVar(&d.DryRun, "dry-run", false, "build and look at the host, say what would be done, and change nothing")
	cmd.Flags().BoolVar(&d.Accept, "accept", false, "migrate although data is lost, or records will not fit their models")
	cmd.Flags().IntVar(&d.Keep, "keep", d.Keep, "how many releases stay on the host")
	cmd.PersistentFlags().StringVar(&folder, "folder", "", "the folder on the host (default: /srv/NAME)")
	cmd.PersistentFlags().StringVar(&ssh, "ssh", "ssh", "the program ssh, with its options")
	do := func(use, short string, run func(context.Context) error) *cobra.Command {
		return &cobra.Command{Use: use + " HOST", Short: short, Args: cli.OneArgument("a host", "blog@example.com"),
			RunE: func(cmd *cobra.Command, args []string) error {
				if _, err := prepare(args[0]); err != nil {
					return err
				}
				return run(cmd.Context())
			}}
	}
	cmd.AddCommand(
		do("status", "Say which release serves, and which are there", func(ctx context.Context) error { return d.Status(ctx) }),
		do("rollback", "Let the release serve that did before", func(ctx context.Context) error { return d.Rollback(ctx) }),
	)
	return cmd
}

// losses says what the pending migrations would lose, "" if that is nothing.
func losses(r *wire.MigrationReport) string {
	var found []string
	for _, m := range r.Pending {
		for _, step := range m.Steps {
			if step.Lost > 0 || step.Failed > 0 {
				found = append(found, fmt.Sprintf("%s, %s: %s", m.ID, step.Text, db.StepResult(step)))
			}
		}
	}
	return strings.Join(found, "; ")
}
