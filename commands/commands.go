// Package commands puts commands into the program of an application, which then needs neither
// its source nor Go nor tower where it runs:
//
//	import _ "github.com/towerkit/tower/commands"
//
// The program serves without arguments, as before, and [tower.Main] knows:
//
//	serve      serve the application
//	work       run its jobs in a process of their own
//	jobs       list and change its jobs
//	console    inspect and change it while it runs
//	routes     list what clients may call and open
//	query      print the records of a cursor, or watch them change
//	db         back up, restore, check, compact, export and migrate its data
//	doctor     check the settings, the data and the port
//	version    print the version
//
// The commands meet the application that runs in the working directory, or in TOWER_FOLDER,
// through its control socket, which in production listens only with TOWER_CONSOLE=on. They are
// those of the command tower: see the guides.
package commands

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/commands/db"
	"github.com/towerkit/tower/internal/program"
	"github.com/towerkit/tower/internal/wire"
)

func init() { program.Run = run }

// run runs a command of an application's program, and returns the exit code: 0 for success, 1
// for a failure, 2 for an invalid command line.
func run(app program.Application, args []string) int {
	return cli.Run(newRoot(app), args, os.Stdin, os.Stdout, os.Stderr)
}

func newRoot(app program.Application) *cobra.Command {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	root := &cobra.Command{
		Use:     name,
		Short:   "The application " + app.Name,
		Long:    "The application " + app.Name + ". Without a command, it is served.",
		Args:    cobra.ArbitraryArgs,
		Version: version(app),
		RunE:    func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	find := commands.Find(func() (*commands.Application, error) { return describe(app, name), nil })
	root.AddCommand(newServe(app), newWork(app), find.Console(), find.Routes(), find.Profile(), find.Query(), find.Jobs(), db.New(find), newDoctor(app, find), newVersion(app))
	return root
}

// address is where an application listens without TOWER_ADDR.
const address = "127.0.0.1:3000"

// describe returns the application for the commands on it.
func describe(app program.Application, root string) *commands.Application {
	working, err := os.Getwd()
	if err != nil {
		working = app.Folder
	}
	return &commands.Application{Name: app.Name, Folder: app.Folder, URL: "http://" + cmp.Or(os.Getenv("TOWER_ADDR"), address), Serve: root + " serve", Env: app.Env, Store: app.Store, Working: working,
		Start: app.Start, OpenPlace: app.OpenPlace,
		Migrate: func(ctx context.Context, task, env string, progress io.Writer) (*wire.MigrationReport, error) {
			self, err := os.Executable()
			if err != nil {
				return nil, err
			}
			return db.RunTask(exec.CommandContext(ctx, self), task, env, progress)
		},
	}
}

func newWork(app program.Application) *cobra.Command {
	return &cobra.Command{
		Use: "work", Short: "Run the application's jobs in a process of their own", Long: commands.WorkLong,
		Args: cli.NoArguments,
		RunE: func(*cobra.Command, []string) error { return app.Work() },
	}
}

func newServe(app program.Application) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the application",
		Long: `Serve the application until it is interrupted. Variables of the environment, such as
TOWER_ENV and TOWER_ADDR, configure it.`,
		Args: cli.NoArguments,
		RunE: func(*cobra.Command, []string) error { return app.Serve() },
	}
}
