package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/bench"
	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/private"
)

func newBench() *cobra.Command {
	b := &benchCommand{}
	cmd := &cobra.Command{
		Use:   "bench [CURSOR]",
		Short: "Measure how fast changes reach clients on this machine",
		Long: `Measure how fast changes reach clients on this machine.

tower bench writes the sample application, builds it for production and serves it.
Clients in a separate process open its lists, create posts over HTTP, and resume after
the application has restarted. In turns with the application, tower bench measures the
floor: a server of nothing but melody and bbolt, which shows the lowest cost of messages
and durable writes on this machine. Figures are medians of the runs. Only the ratio to
the floor can be compared between machines.

With the name of a cursor, tower bench measures the application in this folder instead,
on a temporary database: visitors open the cursor, and an action creates records in it.
The cursor and the action may each be followed by an input.

Each client comes from an address of its own, so MaxAddress of Config.Limits does not
stop them. More than 10,000 clients of your own application, who are visitors, need a
larger MaxVisitors, and more than 20,000 a larger MaxClients.

The exit code is 0 if everything was measured, whatever the figures, and 1 if a message
was lost.`,
		Example: `  tower bench
  tower bench --connections 5000 --runs 5
  tower bench --json > figures.ndjson
  tower bench posts.all
  tower bench 'posts.newest {"n":20}' --call 'POST /posts {"title":"Hi","published":true}'`,
		Args: cli.AtMostOneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.check(args); err != nil {
				return err
			}
			b.progress = cmd.ErrOrStderr()
			ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
			defer stop()
			measures, err := b.run(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return err
			}
			return bench.Print(cmd.OutOrStdout(), measures, b.json)
		},
	}
	cmd.Flags().IntVar(&b.connections, "connections", 1000, "number of clients")
	cmd.Flags().IntVar(&b.runs, "runs", 3, "number of times each figure is measured")
	cmd.Flags().StringVar(&b.call, "call", "", "action that creates records in CURSOR (default: its controller's POST action)")
	cmd.Flags().BoolVar(&b.json, "json", false, "print each figure as a line of JSON")
	return cmd
}

// newBenchLoad returns the hidden command that [bench.Run] starts as the load generator.
func newBenchLoad() *cobra.Command {
	return &cobra.Command{
		Use: bench.LoadCommand, Hidden: true, Args: cli.NoArguments,
		Short: "Run the clients of a benchmark; tower bench starts it",
		RunE: func(cmd *cobra.Command, args []string) error {
			return bench.ServeLoad(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// A benchCommand is one run of tower bench.
type benchCommand struct {
	connections, runs int
	call              string
	json              bool
	progress          io.Writer
	subject           *bench.Subject // nil for the sample application
}

// check validates the flags and arguments.
func (b *benchCommand) check(args []string) error {
	if len(args) == 0 && b.call != "" {
		return cli.Usage("--call needs CURSOR, a cursor of your own application", "see: tower bench --help")
	}
	if len(args) > 0 {
		s, err := parseSubject(args[0], b.call)
		if err != nil {
			return err
		}
		b.subject = &s
	}
	switch {
	case b.connections < 5:
		return cli.Usage(fmt.Sprintf("--connections %d: at least 5 clients are needed", b.connections), "see: tower bench --help")
	case b.runs < 1:
		return cli.Usage(fmt.Sprintf("--runs %d: at least one run is needed", b.runs), "see: tower bench --help")
	}
	return bench.CheckOpenFiles(b.connections)
}

// run measures the sample application or the application in this folder. It leaves no
// files behind.
func (b *benchCommand) run(ctx context.Context) (measures []bench.Measure, err error) {
	folder, err := private.Temp("tower-bench-")
	if err != nil {
		return nil, fmt.Errorf("create a folder for the benchmark: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	app, database, err := b.application(folder)
	if err != nil {
		return nil, err
	}
	options := dev.Options{Folder: app.Folder, Env: "production", Environ: append(os.Environ(), "TOWER_CONSOLE=on", "TOWER_DB="+database,
		"TOWER_SECRET="+rand.Text()+rand.Text(), "TOWER_TRUSTED_PROXIES=127.0.0.0/8,::1")} // each client comes from an address of its own
	return bench.Run(ctx, bench.Options{
		Connections: b.connections, Runs: b.runs, Subject: b.subject, Folder: app.Folder, Temporary: folder, Progress: b.progress,
		Start:        func(ctx context.Context) (bench.Server, error) { return dev.Start(ctx, options) },
		Attach:       func(ctx context.Context) (bench.Control, error) { return app.Attach(ctx) },
		ExampleInput: commands.ExampleInput,
	})
}

// application returns the application to measure and the path of its database, or "" for
// the default path.
func (b *benchCommand) application(folder string) (app *application, database string, err error) {
	if b.subject == nil {
		fmt.Fprintln(b.progress, "▸ building the sample application")
		app, err = writeSample(folder)
		return app, "", err
	}
	if app, err = findApplication(); err == nil {
		fmt.Fprintf(b.progress, "▸ building %s\n", app.Name)
	}
	return app, filepath.Join(folder, "bench.db"), err
}

// parseSubject parses a cursor and an action, each with an optional input in JSON after a
// space. call may be empty.
func parseSubject(cursor, call string) (s bench.Subject, err error) {
	if s.Cursor, s.With, err = splitInput("the cursor", cursor, "posts.published"); err != nil || call == "" {
		return s, err
	}
	method, rest, _ := strings.Cut(call, " ")
	path, in, err := splitInput("--call", rest, "POST /posts")
	if err == nil && (method == "" || method != strings.ToUpper(method) || method == http.MethodGet || !strings.HasPrefix(path, "/")) {
		err = cli.Usage(fmt.Sprintf("--call %q is not an action, such as \"POST /posts\"", call), "see: tower routes")
	}
	s.Call, s.In = method+" "+path, in
	return s, err
}

// splitInput splits a name from the JSON object after it. what and like describe the name
// in errors.
func splitInput(what, text, like string) (name string, in json.RawMessage, err error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if rest = strings.TrimSpace(rest); rest == "" {
		return name, nil, nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(rest), &object); err != nil {
		return "", nil, cli.Usage(fmt.Sprintf("%s %q: the input after the name is not a JSON object: %v", what, text, err),
			fmt.Sprintf(`for example: %s {"title":"Hi"}`, like))

	}
	return name, json.RawMessage(rest), nil
}
