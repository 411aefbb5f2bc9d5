package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/wire"
)

func newBench() *cobra.Command {
	b := &bench{}
	cmd := &cobra.Command{
		Use:   "bench [CURSOR]",
		Short: "Measure how fast changes reach clients on this machine",
		Long: `Measure how fast changes reach clients on this machine.

The sample application is written, built for production and served. Clients in a
process of their own hold its lists, make posts over HTTP, and come back when it has
been started anew. Beside it, in turns with it, runs the floor: a server of nothing but
melody and bbolt, which shows what messages and durable writes cost here at least.
Figures are medians of the runs; the ratio to the floor can be compared between
machines, the rest cannot.

With the name of a cursor, the application in this folder is measured instead, on a
database of its own that is thrown away: visitors hold the cursor, and an action makes
records that it shows. Either may be followed by its input.

The exit code is 0 when all was measured, whatever the figures, and 1 when a message
was lost.`,
		Example: `  tower bench
  tower bench --connections 5000 --runs 5
  tower bench --json > figures.ndjson
  tower bench posts.all
  tower bench 'posts.newest {"n":20}' --call 'POST /posts {"title":"Hi","published":true}'`,
		Args: atMostOneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.check(args); err != nil {
				return err
			}
			b.progress = cmd.ErrOrStderr()
			ctx, stop := signal.NotifyContext(cmd.Context(), endSignals...)
			defer stop()
			measures, err := b.run(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return err
			}
			return printMeasures(cmd.OutOrStdout(), measures, b.json)
		},
	}
	cmd.Flags().IntVar(&b.connections, "connections", 1000, "how many clients are connected")
	cmd.Flags().IntVar(&b.runs, "runs", 3, "how often each measure is taken")
	cmd.Flags().StringVar(&b.call, "call", "", "the action that makes records for CURSOR (default: its controller's POST action)")
	cmd.Flags().BoolVar(&b.json, "json", false, "print a line of JSON for each measure")
	return cmd
}

// A bench is a benchmark as it was asked for.
type bench struct {
	connections, runs int
	call              string
	json              bool
	progress          io.Writer
	subject           *subject // nil: the sample
}

// check refuses what cannot be measured here.
func (b *bench) check(args []string) error {
	if len(args) == 0 && b.call != "" {
		return &usageError{message: "--call is for an application of your own: name its cursor", hint: "see: tower bench --help"}
	}
	if len(args) > 0 {
		s, err := parseSubject(args[0], b.call)
		if err != nil {
			return err
		}
		b.subject = &s
	}
	switch need := uint64(2*b.connections + 300); {
	case b.connections < 5:
		return &usageError{message: fmt.Sprintf("--connections %d: at least 5 clients are needed", b.connections), hint: "see: tower bench --help"}
	case b.runs < 1:
		return &usageError{message: fmt.Sprintf("--runs %d: at least one run is needed", b.runs), hint: "see: tower bench --help"}
	case need > maxFiles():
		return &hintedError{fmt.Errorf("%d clients need %d open files, and this system allows a process %d", b.connections, need, maxFiles()),
			"raise the hard limit of open files (ulimit -Hn), or ask for fewer --connections"}
	}
	return nil
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, "▸ "+format+"\n", args...) }

// run sets everything up, measures, and leaves nothing behind.
func (b *bench) run(ctx context.Context) (measures []measure, err error) {
	folder, err := os.MkdirTemp("", "tower-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the sample: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	app, database, err := b.application(folder)
	if err != nil {
		return nil, err
	}
	floor, err := startFloor(ctx, app, folder)
	if err != nil {
		return nil, err
	}
	defer floor.close()
	options := dev.Options{Folder: app.Folder, Env: "production", Environ: append(os.Environ(), "TOWER_CONSOLE=on", "TOWER_DB="+database)}
	served, err := dev.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	defer func() {
		if served != nil {
			err = errors.Join(err, served.Close())
		}
	}()
	client, err := attach(ctx, app)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var users []string
	if b.subject != nil {
		users = make([]string, b.connections+1) // visitors
		err = b.subject.resolve(ctx, client)
	} else {
		users, err = b.makeUsers(ctx, client)
	}
	if err != nil {
		return nil, err
	}
	load, err := startLoad(ctx)
	if err != nil {
		return nil, err
	}
	defer load.close()
	return b.measure(load, served.URL(), floor.url, users, func() (url string, err error) {
		err = served.Close()
		if served = nil; err == nil {
			served, err = dev.Start(ctx, options)
		}
		if err != nil {
			return "", fmt.Errorf("start the application anew: %w", err)
		}
		return served.URL(), nil
	})
}

// application returns what is measured, and where its database is, "" for its
// own.
func (b *bench) application(folder string) (app *application, database string, err error) {
	if b.subject == nil {
		b.say("the sample application is written and built")
		app, err = writeSample(folder)
		return app, "", err
	}
	if app, err = findApplication(); err == nil {
		b.say("%s is built", app.Name)
	}
	return app, filepath.Join(folder, "bench.db"), err
}

// makeUsers makes one for each client, and one who writes, in one transaction.
func (b *bench) makeUsers(ctx context.Context, client *repl.Client) (ids []string, err error) {
	var tx uint64
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoBegin}, &tx); err != nil {
		return nil, fmt.Errorf("make users: %w", err)
	}
	for i := range b.connections + 1 {
		id, err := createIn(ctx, client, tx, fmt.Sprintf("User %d", i+1))
		if err != nil {
			return nil, fmt.Errorf("make users: %w", err)
		}
		ids = append(ids, id)
	}
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoCommit, Tx: tx}, nil); err != nil {
		return nil, fmt.Errorf("make users: %w", err)
	}
	return ids, nil
}

func createIn(ctx context.Context, client *repl.Client, tx uint64, name string) (string, error) {
	set, err := wire.Encode(map[string]string{"name": name})
	if err != nil {
		return "", err
	}
	var written wire.Written
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoCreate, Model: "users", Set: set, Tx: tx}, &written); err != nil {
		return "", err
	}
	var record created
	return record.ID, decode(written.Record, &record)
}

// measure takes all measures, in turns with the floor.
func (b *bench) measure(load *loadProcess, app, floor string, users []string, restart func() (string, error)) ([]measure, error) {
	n, few := b.connections, b.connections/5
	writer, users := users[n], users[:n]
	one := loadRequest{Do: "reach", Target: "app", Times: 20}
	join := loadRequest{Do: "join", Target: "app", URL: app, Writer: writer, Subject: b.subject}
	var s samples
	if b.subject != nil { // while nobody is told
		if err := b.alone(load, &s, join, floor); err != nil {
			return nil, err
		}
	}
	b.say("%d clients connect", few)
	join.Users = users[:few]
	if err := load.do(join, nil); err != nil {
		return nil, err
	}
	for range b.runs {
		if b.subject != nil {
			break // all hold the cursor
		}
		if err := s.reach(load, &s.oneOfFew, one); err != nil {
			return nil, err
		}
	}
	b.say("%d more, and %d to the floor", n-few, n)
	if err := load.do(loadRequest{Do: "join", Target: "app", Users: users[few:]}, nil); err != nil {
		return nil, err
	}
	if err := load.do(loadRequest{Do: "join", Target: "floor", URL: floor, Users: users}, nil); err != nil {
		return nil, err
	}
	for i := range b.runs {
		b.say("run %d of %d", i+1, b.runs)
		if err := s.deliver(load); err != nil {
			return nil, err
		}
		if b.subject == nil {
			if err := s.reach(load, &s.one, one); err != nil {
				return nil, err
			}
			if err := s.write(load); err != nil {
				return nil, err
			}
		}
		if err := s.comeBack(load, restart); err != nil {
			return nil, err
		}
	}
	return s.measures(n), nil
}

// alone measures how fast records are made while no client is there.
func (b *bench) alone(load *loadProcess, s *samples, join loadRequest, floor string) error {
	if err := load.do(join, nil); err != nil {
		return err
	}
	if err := load.do(loadRequest{Do: "join", Target: "floor", URL: floor}, nil); err != nil {
		return err
	}
	for i := range b.runs {
		b.say("writes, %d of %d", i+1, b.runs)
		if err := s.write(load); err != nil {
			return err
		}
	}
	return nil
}

// A process is one that is spoken with, and ends with its input.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd}
	cmd.Stderr = os.Stderr
	var err error
	if p.out, err = cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return p, cmd.Start()
}

// close ends the process, and waits for it.
func (p *process) close() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// A loadProcess is the process in which the clients live.
type loadProcess struct {
	*process
	ctx     context.Context
	encoder *json.Encoder
	decoder *json.Decoder
}

func startLoad(ctx context.Context) (*loadProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the clients: %w", err)
	}
	child, err := startProcess(exec.CommandContext(ctx, self, "bench-load"))
	if err != nil {
		return nil, fmt.Errorf("start the clients: %w", err)
	}
	return &loadProcess{process: child, ctx: ctx, encoder: json.NewEncoder(child.in), decoder: json.NewDecoder(child.out)}, nil
}

// do sends a request and waits for its reply.
func (p *loadProcess) do(req loadRequest, reply *loadReply) error {
	if reply == nil {
		reply = &loadReply{}
	}
	err := p.encoder.Encode(req)
	if err == nil {
		err = p.decoder.Decode(reply)
	}
	switch {
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	case err != nil:
		return fmt.Errorf("the process of the clients has ended: %w", err)
	case reply.Error != "":
		return fmt.Errorf("%s: %s", req.Target, reply.Error)
	}
	return nil
}

// A floorProcess serves what is measured against.
type floorProcess struct {
	*process
	url string
}

// startFloor builds the floor with the modules of an application, and serves it.
func startFloor(ctx context.Context, app *application, folder string) (*floorProcess, error) {
	binary := filepath.Join(folder, "floor")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, towerModule+"/internal/floor")
	build.Dir = app.Folder
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the floor: %w\n%s", err, strings.TrimSpace(string(output)))
	}
	child, err := startProcess(exec.CommandContext(ctx, binary, folder))
	if err != nil {
		return nil, fmt.Errorf("start the floor: %w", err)
	}
	p := &floorProcess{process: child}
	if p.url, err = bufio.NewReader(p.out).ReadString('\n'); err != nil {
		p.close()
		return nil, errors.New("the floor does not start")
	}
	p.url = strings.TrimSpace(p.url)
	return p, nil
}

// Samples are what was measured so far, in seconds or in writes a second.
type samples struct {
	oneOfFew, one, all, allFloor, burst, burstFloor []float64
	many, manyFloor, single, singleFloor            []float64
	back, backFloor                                 []float64
}

// How much of each is done in a run.
const (
	writers    = 64
	writeTime  = time.Second
	burstSize  = 100 // changes, each by another client
	burstPosts = 20  // that they change, among those that all see
	burstTimes = 2
	recordSize = 300 // bytes that a post of the benchmark takes in the store
)

// deliver measures once how changes reach all, beside the floor.
func (s *samples) deliver(load *loadProcess) error {
	all := loadRequest{Do: "reach", Target: "app", Published: true, Times: burstPosts}
	var reply loadReply
	if err := load.do(all, &reply); err != nil {
		return err
	}
	s.all = append(s.all, reply.Seconds...)
	floor := all
	floor.Target, floor.Size = "floor", reply.Size
	if err := s.reach(load, &s.allFloor, floor); err != nil {
		return err
	}
	for _, burst := range []*loadRequest{&floor, &all} {
		burst.Do, burst.Writers, burst.Times = "burst", burstSize, burstTimes
	}
	if err := s.reach(load, &s.burstFloor, floor); err != nil {
		return err
	}
	return s.reach(load, &s.burst, all)
}

// write measures once how fast records are made, beside the floor.
func (s *samples) write(load *loadProcess) error {
	for _, w := range []struct {
		into    *[]float64
		target  string
		clients int
	}{
		{&s.manyFloor, "floor", writers}, {&s.many, "app", writers},
		{&s.singleFloor, "floor", 1}, {&s.single, "app", 1},
	} {
		var reply loadReply
		if err := load.do(loadRequest{Do: "write", Target: w.target, Writers: w.clients, For: writeTime, Size: recordSize}, &reply); err != nil {
			return err
		}
		*w.into = append(*w.into, reply.Written)
	}
	return nil
}

func (s *samples) reach(load *loadProcess, into *[]float64, req loadRequest) error {
	var reply loadReply
	err := load.do(req, &reply)
	*into = append(*into, reply.Seconds...)
	return err
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
