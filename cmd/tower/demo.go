package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/scaffolds"
)

func newDemo() *cobra.Command {
	var headless bool
	var nodes int
	port := cli.PortFlag(3000)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try tower with a sample application",
		Long: `Write a sample application into a temporary folder, build it, serve it, and open a
console on it. Open the page in two windows, sign in as Ada and as Bob, and create
records in the console: each window shows at once the records that its user may see.

With --headless the demo runs as a script without a terminal: two clients connect as two
users, the console creates records, and the demo prints what each client received. The
exit code is 0 only if every client received exactly what it should.

With --nodes the sample runs on several nodes that share a PostgreSQL database: that at
TOWER_DB, which must be empty, or a server that is installed on this machine. The windows are on different
nodes, and the console shows the way of each record over them.`,
		Example: `  tower demo
  tower demo --nodes 3
  tower demo --headless`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if headless {
				port = 0
			} else if !cli.IsTerminal(cmd.InOrStdin()) || !cli.IsTerminal(cmd.OutOrStdout()) {
				return cli.Usage("demo opens a console and needs a terminal", "without a terminal: tower demo --headless")
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
			defer stop()
			return withSample(ctx, cmd.OutOrStdout(), int(port), nodes, func(sample *sample) error {
				if headless {
					return sample.runScript(ctx)
				}
				return sample.openConsole(cmd.Context(), cmd)
			})
		},
	}
	cmd.Flags().BoolVar(&headless, "headless", false, "run as a script without a terminal, and check what each client receives")
	cmd.Flags().IntVar(&nodes, "nodes", 1, "number of processes that serve the sample, and share a database")
	cmd.Flags().VarP(&port, "port", "p", "port to listen on; 0 for any free port")
	return cmd
}

// A sample is the running sample application.
type sample struct {
	app      *application
	url      string
	nodes    []string // the addresses of the nodes
	out      io.Writer
	progress *muteWriter
}

// A muteWriter forwards writes to out until it is muted. It may be used concurrently.
type muteWriter struct {
	mu    sync.Mutex
	out   io.Writer
	muted bool
}

func (p *muteWriter) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.muted {
		return len(text), nil
	}
	return p.out.Write(text)
}

func (p *muteWriter) mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = true
}

// withSample writes, builds and serves the sample application, and calls fn. It stops the
// application and removes its folder when fn returns.
func withSample(ctx context.Context, out io.Writer, port, nodes int, fn func(*sample) error) (err error) {
	folder, err := private.Temp("tower-demo-")
	if err != nil {
		return fmt.Errorf("create a folder for the sample: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	app, err := writeSample(folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "▸ sample application written to %s\n", app.Folder)
	progress := &muteWriter{out: out}
	options := dev.Options{Folder: app.Folder, Port: port, Env: "development", Nodes: nodes, Output: progress, Color: cli.HasColor(out)}
	database, err := shareDatabase(ctx, &options)
	if err != nil {
		return err
	}
	if database != nil {
		defer func() {
			database.Stop()
			err = errors.Join(err, os.RemoveAll(database.Folder))
		}()
	}
	supervisor := dev.New(options)
	if err := supervisor.Open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- supervisor.Run(ctx) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-ended)
	}()
	select {
	case <-supervisor.Serving():
	case <-ctx.Done():
		return cli.ExitCode(130)
	}
	for {
		urls, changed := supervisor.Nodes()
		if len(urls) == nodes {
			return fn(&sample{app: app, url: supervisor.URL(), nodes: urls, out: out, progress: progress})
		}
		select {
		case <-changed:
		case err := <-ended:
			ended <- err
			return errors.New("the nodes have not started")
		case <-ctx.Done():
			return cli.ExitCode(130)
		}
	}
}

// writeSample writes the sample application into folder/board.
func writeSample(folder string) (*application, error) {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, fmt.Errorf("resolve the folder for the sample: %w", err)
	}
	options := applicationOptions("board", filepath.Join(folder, "board"), "")
	plan, err := scaffolds.Demo(options)
	if err == nil {
		err = plan.Apply()
	}
	if err != nil {
		return nil, fmt.Errorf("write the sample: %w", err)
	}
	return readApplication(options.Folder)
}

// demoUsers are the names of the sample application's users.
var demoUsers = []string{"Ada", "Bob"}

// seed creates the users and a first post, and returns the ids of the users by name.
func (s *sample) seed(ctx context.Context) (ids map[string]string, err error) {
	client, err := s.app.Attach(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ids = map[string]string{}
	for _, name := range demoUsers {
		record, err := create(ctx, client, "users", map[string]any{"name": name})
		if err != nil {
			return nil, fmt.Errorf("create %s: %w", name, err)
		}
		ids[name] = record.ID
	}
	_, err = create(ctx, client, "posts", map[string]any{"title": "Hello from Ada", "body": "Create another in the console, and watch.",
		"published": true, "authorId": ids["Ada"]})
	return ids, err
}

const demoGreeting = `Open %s in two windows, one of them private. Sign in as Ada and as Bob, and type here:

Post.create({title: "Hello", published: true})
Post.create({title: "Only Ada's", authorId: User.first().id})
User.first().update({name: "Ada Lovelace"})

help() shows help, and the tab key completes names.`

// openConsole seeds the sample application and runs a console on it.
func (s *sample) openConsole(ctx context.Context, cmd *cobra.Command) error {
	if _, err := s.seed(ctx); err != nil {
		return err
	}
	s.progress.mute() // the console uses the whole screen
	code := repl.Run(ctx, repl.Options{
		Greeting: fmt.Sprintf(demoGreeting, s.url),
		Dial:     func(ctx context.Context) (*control.Client, error) { return s.app.Attach(ctx) },
		Input:    cmd.InOrStdin(), Output: cmd.OutOrStdout(), Err: cmd.ErrOrStderr(),
	})
	if code != 0 {
		return cli.ExitCode(code)
	}
	return nil
}

type created struct {
	ID string `json:"id"`
}

func create(ctx context.Context, client *control.Client, model string, set map[string]any) (record created, err error) {
	req := wire.ControlRequest{Do: wire.DoCreate, Model: model}
	if req.Set, err = wire.Encode(set); err != nil {
		return record, err
	}
	var written wire.Written
	if err := client.Do(ctx, req, &written); err != nil {
		return record, err
	}
	return record, json.Unmarshal(written.Record, &record)
}
