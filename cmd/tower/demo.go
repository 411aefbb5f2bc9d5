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

	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/scaffolds"
)

func newDemo() *cobra.Command {
	var headless bool
	port := portFlag(3000)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole idea with a sample application",
		Long: `Write a sample application into a temporary folder, build it, serve it, and open a
console on it. Open the page in two windows, sign in as Ada and as Bob, and make
records in the console: each window shows at once what its user may see.

With --headless the same is played without a terminal: two clients connect as two
users, records are made in the console, and what each client received is printed. The
exit code is 0 only if all of it was right.`,
		Example: `  tower demo
  tower demo --headless`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if headless {
				port = 0
			} else if !isTerminal(cmd.InOrStdin()) || !isTerminal(cmd.OutOrStdout()) {
				return &usageError{message: "demo opens a console and needs a terminal", hint: "without one: tower demo --headless"}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), endSignals...)
			defer stop()
			return withSample(ctx, cmd.OutOrStdout(), int(port), func(sample *sample) error {
				if headless {
					return sample.runScript(ctx)
				}
				return sample.openConsole(cmd.Context(), cmd)
			})
		},
	}
	cmd.Flags().BoolVar(&headless, "headless", false, "play it without a terminal, and check what each client received")
	cmd.Flags().VarP(&port, "port", "p", "port to listen on; 0 is any free one")
	return cmd
}

// A sample is the sample application as it runs.
type sample struct {
	app      *application
	url      string
	out      io.Writer
	progress *muteWriter
}

// A muteWriter passes on what a supervisor prints, until it is hushed.
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

// withSample writes, builds and serves the sample application, calls fn, and
// leaves nothing behind.
func withSample(ctx context.Context, out io.Writer, port int, fn func(*sample) error) (err error) {
	folder, err := os.MkdirTemp("", "tower-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the sample: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	app, err := writeSample(folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "▸ sample application written to %s\n", app.Folder)
	progress := &muteWriter{out: out}
	supervisor := dev.New(dev.Options{Folder: app.Folder, Port: port, Output: progress, Color: hasColor(out)})
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
		return exitCode(130)
	}
	return fn(&sample{app: app, url: supervisor.URL(), out: out, progress: progress})
}

// writeSample writes the sample application into a new folder in folder.
func writeSample(folder string) (*application, error) {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, fmt.Errorf("make a folder for the sample: %w", err)
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

// demoUsers are who is there to sign in as.
var demoUsers = []string{"Ada", "Bob"}

// seed makes the people and a first post.
func (s *sample) seed(ctx context.Context) (ids map[string]string, err error) {
	client, err := attach(ctx, s.app)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ids = map[string]string{}
	for _, name := range demoUsers {
		record, err := create(ctx, client, "users", map[string]any{"name": name})
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", name, err)
		}
		ids[name] = record.ID
	}
	_, err = create(ctx, client, "posts", map[string]any{"title": "Hello from Ada", "body": "Make another in the console, and watch.",
		"published": true, "authorId": ids["Ada"]})
	return ids, err
}

const demoGreeting = `Open %s in two windows, one of them private. Sign in as Ada and as Bob, and type here:

Post.create({title: "Hello", published: true})
Post.create({title: "Only Ada's", authorId: User.first().id})
User.first().update({name: "Ada Lovelace"})

help() explains, tab completes.`

// openConsole opens a console on the sample.
func (s *sample) openConsole(ctx context.Context, cmd *cobra.Command) error {
	if _, err := s.seed(ctx); err != nil {
		return err
	}
	s.progress.mute() // the screen is the console's now
	code := repl.Run(ctx, repl.Options{
		Greeting: fmt.Sprintf(demoGreeting, s.url),
		Dial:     func(ctx context.Context) (*repl.Client, error) { return attach(ctx, s.app) },
		Input:    cmd.InOrStdin(), Output: cmd.OutOrStdout(), Err: cmd.ErrOrStderr(),
	})
	if code != 0 {
		return exitCode(code)
	}
	return nil
}

type created struct {
	ID string `json:"id"`
}

func create(ctx context.Context, client *repl.Client, model string, set map[string]any) (record created, err error) {
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
