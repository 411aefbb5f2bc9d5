package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/database"
	"github.com/towerkit/tower/internal/database/local"
	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/environ"
)

func newServer() *cobra.Command {
	o := dev.Options{}
	port, env := cli.PortFlag(3000), cli.EnvFlag("development")
	cmd := &cobra.Command{
		Use:     "server",
		Aliases: []string{"s"},
		Short:   "Serve the application, and rebuild it on changes",
		Long: `Serve the application.

When you edit its source, tower server builds it beside the running process, and replaces
the process when the new one is ready: no request is refused, and pages keep the input in
their forms. Errors are shown in the terminal and in the page. In production tower server
does not watch the source.

tower server also bundles the TypeScript in app/, with its imports, for browsers, and
writes the types of the application to app/tower.d.ts.

With --nodes the application runs on several nodes, processes that share a PostgreSQL
database: the one at TOWER_DB, or a server that is installed on this machine, which then
runs with its data in db/postgres. Each request goes to the next node, and each line of
output begins with the number of its node.`,
		Example: `  tower server
  tower server --port 4000 --open
  tower server --nodes 3
  tower server --env production --host 0.0.0.0`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			app, err := findApplication()
			if err != nil {
				return err
			}
			if err := port.ReadEnv(cmd.Flags().Changed("port")); err != nil {
				return err
			}
			o.Folder, o.Port, o.Env = app.Folder, int(port), string(env)
			o.Output = cmd.OutOrStdout()
			o.Color = cli.HasColor(o.Output)
			o.Served = func(ctx context.Context) (string, error) { return updateTypes(ctx, app) }
			database, err := shareDatabase(cmd.Context(), &o)
			if err != nil {
				return err
			}
			if database != nil {
				defer database.Stop()
			}
			err = serve(cmd.Context(), dev.New(o))
			if o.Color && err == nil {
				fmt.Fprintln(o.Output) // the terminal shows ^C on the current line
			}
			return err
		},
	}
	cmd.Flags().VarP(&port, "port", "p", "port to listen on; 0 for any free port (default: $PORT, or 3000)")
	cmd.Flags().StringVar(&o.Host, "host", "localhost", "address to listen on; 0.0.0.0 for all addresses")
	cmd.Flags().Var(&env, "env", "development, test or production")
	cmd.Flags().IntVar(&o.Nodes, "nodes", 1, "number of processes that serve the application, and share a database")
	cmd.Flags().BoolVarP(&o.Quiet, "quiet", "q", false, "print no line for each request")
	cmd.Flags().BoolVar(&o.Open, "open", false, "open a browser")
	cmd.Flags().Lookup("port").DefValue = "" // its description has the default
	cmd.RegisterFlagCompletionFunc("env", cobra.FixedCompletions(cli.Environments, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// mostNodes is more than a developer's machine runs well.
const mostNodes = 16

// shareDatabase provides a database for several nodes: it returns a server that it has started,
// nil if the settings of the application name one. The caller stops the server once the nodes
// have ended.
func shareDatabase(ctx context.Context, o *dev.Options) (*local.Server, error) {
	if o.Nodes < 1 || o.Nodes > mostNodes {
		return nil, cli.Usage(fmt.Sprintf("--nodes %d: a number from 1 to %d", o.Nodes, mostNodes), "see: tower server --help")
	}
	vars, err := environ.Read(o.Folder, o.Env)
	if err != nil || o.Nodes == 1 {
		return nil, err
	}
	if given := vars.Get("TOWER_DB"); database.Is(given) {
		return nil, nil
	} else if given != "" {
		return nil, cli.Hinted(fmt.Errorf("TOWER_DB is %s, and %d nodes cannot share a file", given, o.Nodes),
			"set TOWER_DB=postgres://user:password@host/database, or leave it out: then a server that is installed here is started")
	}
	server, err := local.Start(ctx, filepath.Join(o.Folder, "db", "postgres"))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(o.Output, "▸ PostgreSQL %d runs for %d nodes: %s\n", server.Version, o.Nodes, database.Shown(server.Address))
	o.Environ = append(os.Environ(), "TOWER_DB="+server.Address)
	return server, nil
}

// serve runs a supervisor until a signal arrives, and then lets it finish its requests. A
// second signal ends it at once.
func serve(ctx context.Context, s *dev.Supervisor) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, cli.EndSignals...)
	defer signal.Stop(signals)
	if err := s.Open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		for _, end := range []func(){cancel, func() { s.Close() }} {
			select {
			case <-signals:
				end()
			case <-ended:
				return
			}
		}
	})
	err := s.Run(ctx)
	close(ended)
	waiting.Wait()
	return err
}
