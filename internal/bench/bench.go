package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

// Options are what to measure.
type Options struct {
	Connections int      // how many clients are connected
	Runs        int      // how often each measure is taken
	Subject     *Subject // nil: the sample application
	Folder      string   // of the application: the floor is built with its modules
	Temporary   string   // a folder for the floor and its database
	Progress    io.Writer

	// Start serves the application, on the same database each time.
	Start func(context.Context) (Server, error)
	// Attach opens a control connection to the application that is served.
	Attach func(context.Context) (Control, error)
	// ExampleInput is an input for an action, with the given text in its texts.
	ExampleInput func(route wire.Route, text string) string
}

// A Server is the application, served.
type Server interface {
	URL() string
	Close() error
}

// A Control is a control connection.
type Control interface {
	Do(ctx context.Context, req wire.ControlRequest, result any) error
	Close() error
}

// CheckOpenFiles returns an error if a process here may not open as many files as
// a benchmark with that many clients needs.
func CheckOpenFiles(connections int) error {
	if need := uint64(2*connections + 300); need > maxFiles() {
		return &hintedError{fmt.Errorf("%d clients need %d open files, and this system allows a process %d", connections, need, maxFiles()),
			"raise the hard limit of open files (ulimit -Hn), or ask for fewer --connections"}
	}
	return nil
}

// A hintedError is an error with what to do about it.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string { return e.hint }

func (e *hintedError) Unwrap() error { return e.error }

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.Progress, "▸ "+format+"\n", args...) }

// Run builds and starts the floor, starts the application, and measures both. It
// leaves no process behind.
func Run(ctx context.Context, o Options) (measures []Measure, err error) {
	b := &bench{o}
	floor, err := startFloor(ctx, o.Folder, o.Temporary)
	if err != nil {
		return nil, err
	}
	defer floor.close()
	served, err := o.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if served != nil {
			err = errors.Join(err, served.Close())
		}
	}()
	client, err := o.Attach(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var users []string
	if b.Subject != nil {
		users = make([]string, b.Connections+1) // visitors
		err = b.Subject.resolve(ctx, client, o.ExampleInput)
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
		served = nil
		if err != nil {
			return "", fmt.Errorf("start the application anew: %w", err)
		}
		next, err := o.Start(ctx)
		if err != nil {
			return "", fmt.Errorf("start the application anew: %w", err)
		}
		served = next
		return served.URL(), nil
	})
}

// A bench is a run.
type bench struct{ Options }

// makeUsers makes one for each client, and one who writes, in one transaction.
func (b *bench) makeUsers(ctx context.Context, client Control) (ids []string, err error) {
	var tx uint64
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoBegin}, &tx); err != nil {
		return nil, fmt.Errorf("make users: %w", err)
	}
	for i := range b.Connections + 1 {
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

func createIn(ctx context.Context, client Control, tx uint64, name string) (string, error) {
	set, err := wire.Encode(map[string]string{"name": name})
	if err != nil {
		return "", err
	}
	var written wire.Written
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoCreate, Model: "users", Set: set, Tx: tx}, &written); err != nil {
		return "", err
	}
	var record created
	return record.ID, json.Unmarshal(written.Record, &record)
}

type created struct {
	ID string `json:"id"`
}

// measure takes all measures, in turns with the floor.
func (b *bench) measure(load *loadProcess, app, floor string, users []string, restart func() (string, error)) ([]Measure, error) {
	n, few := b.Connections, b.Connections/5
	writer, users := users[n], users[:n]
	one := loadRequest{Do: "reach", Target: "app", Times: 20}
	join := loadRequest{Do: "join", Target: "app", URL: app, Writer: writer, Subject: b.Subject}
	var s samples
	if b.Subject != nil { // while nobody is told
		if err := b.alone(load, &s, join, floor); err != nil {
			return nil, err
		}
	}
	b.say("%d clients connect", few)
	join.Users = users[:few]
	if err := load.do(join, nil); err != nil {
		return nil, err
	}
	for range b.Runs {
		if b.Subject != nil {
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
	for i := range b.Runs {
		b.say("run %d of %d", i+1, b.Runs)
		if err := s.deliver(load); err != nil {
			return nil, err
		}
		if b.Subject == nil {
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
	for i := range b.Runs {
		b.say("writes, %d of %d", i+1, b.Runs)
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
	child, err := startProcess(exec.CommandContext(ctx, self, ClientsCommand))
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

const floorPackage = "github.com/towerkit/tower/internal/bench/floor"

// startFloor builds the floor with the modules of an application, and serves it.
func startFloor(ctx context.Context, application, folder string) (*floorProcess, error) {
	binary := filepath.Join(folder, "floor")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, floorPackage)
	build.Dir = application
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
