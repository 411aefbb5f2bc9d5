//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/line"
	"github.com/towerkit/tower/internal/wire/replica"
)

// A client has only the protocol. It holds two cursors, goes from node to node, and sends a
// call again with its key until it knows what has become of it.
type client struct {
	t      *testing.T
	name   string
	random *rand.Rand
	nodes  []*node
	ctx    context.Context

	line    line.Line
	cancel  context.CancelFunc // of the line
	lastID  uint64
	names   []string
	states  map[string]*replica.Replica // by the name of a cursor
	cursors map[uint64]*replica.Replica // of the line

	ledger
	sights *sights

	added   int // by its own deeds
	seen    int // the tally, at last
	again   int // calls that had taken effect before
	resyncs map[string]int
	moves   int
}

func newClient(ctx context.Context, t *testing.T, name string, seed uint64, nodes []*node, all *sights) *client {
	return &client{t: t, name: name, random: rand.New(rand.NewPCG(seed, 1)), nodes: nodes, ctx: ctx, sights: all,
		names:  []string{"deeds.all", "deeds.newest"},
		states: map[string]*replica.Replica{"deeds.all": {}, "deeds.newest": {}}, resyncs: map[string]int{}}
}

// errBroken is an error of the protocol or of a promise.
type errBroken struct{ error }

// work does deeds until stop is closed. Now and then somebody comes who has nothing yet.
func (c *client) work(stop <-chan struct{}) {
	defer c.leave()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		c.finish("POST /deeds", random(c.random, fmt.Sprint(c.name, "-", n)))
		if c.random.IntN(4) == 0 {
			c.leave()
		}
		if c.random.IntN(8) == 0 {
			fresh := newClient(c.ctx, c.t, "fresh", c.random.Uint64(), c.nodes, c.sights)
			_ = fresh.connect() // the node may not be there
			fresh.leave()
		}
	}
}

// finish sends a call until it is known what has become of it.
func (c *client) finish(route string, d deed) {
	in, _ := json.Marshal(d) // it is texts
	key := string(record.NewID())
	for began := time.Now(); ; {
		answer, err := c.try(wire.Request{Call: route, In: in, Key: key})
		var broken errBroken
		switch {
		case errors.As(err, &broken):
			c.t.Errorf("%s: %v", c.name, err)
			c.states = map[string]*replica.Replica{"deeds.all": {}, "deeds.newest": {}}
		case err == nil && answer.Error == nil:
			c.done = append(c.done, d.Name)
			c.sights.done.Add(1)
			if answer.Repeated {
				c.again++
			}
			if d.Kind == "add" {
				c.added++
			}
			return
		case err == nil && (answer.Error.Code == "invalid" || answer.Error.Code == "forbidden"):
			c.refused = append(c.refused, d.Name)
			return
		case err == nil && answer.Error.Code != "unavailable" && answer.Error.Code != "conflict" && answer.Error.Code != "closed":
			c.t.Errorf("%s: %s answers %+v", c.name, d.Name, answer.Error)
			return
		}
		c.leave()
		if time.Since(began) > 5*time.Minute {
			c.t.Errorf("%s: it is not known what has become of %s: %v", c.name, d.Name, err)
			return
		}
		time.Sleep(time.Duration(c.random.IntN(50)) * time.Millisecond)
	}
}

// try sends a request on the line, or on a new one.
func (c *client) try(req wire.Request) (*wire.Answer, error) {
	if c.line == nil {
		if err := c.connect(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, 40*time.Second) // a node that was stopped says nothing
	defer cancel()
	defer context.AfterFunc(ctx, c.line.Close)()
	answer, err := c.ask(req)
	if err != nil {
		return nil, err
	}
	return answer, c.look()
}

// look checks the tally that the client sees: it never goes back, and has its own deeds.
func (c *client) look() error {
	state := c.states["deeds.all"]
	text := state.Record(string(hot))
	if text == nil && c.seen+c.added == 0 {
		return nil // the node may lag
	}
	if text == nil {
		return errBroken{errors.New("the tally is not there")}
	}
	var tally Tally
	if err := json.Unmarshal(text, &tally); err != nil {
		return errBroken{err}
	}
	if tally.N < c.seen || tally.N < c.added {
		return errBroken{fmt.Errorf("at %s the tally is %d; it was %d, and %d are its own", state.At, tally.N, c.seen, c.added)}
	}
	c.seen = tally.N
	return nil
}

// connect connects to some node and resumes there.
func (c *client) connect() error {
	n := c.nodes[c.random.IntN(len(c.nodes))]
	transports := line.Transports()
	ctx, cancel := context.WithCancel(c.ctx)
	slow := time.AfterFunc(20*time.Second, cancel)
	l, err := line.Dial(ctx, transports[c.random.IntN(len(transports))], n.URL, http.Header{})
	if err != nil {
		cancel()
		return err
	}
	c.line, c.cancel, c.cursors = l, cancel, map[uint64]*replica.Replica{}
	c.moves++
	if err := c.send(wire.Request{Hello: wire.Version}); err != nil {
		return err
	}
	for _, name := range c.names {
		state := c.states[name]
		answer, err := c.askOf(wire.Request{Open: name, Since: state.At}, state)
		if err != nil {
			return err
		}
		if answer.Error != nil {
			return fmt.Errorf("open %s: %s", name, answer.Error.Message)
		}
		if answer.Resync != "" {
			c.resyncs[answer.Resync]++
		}
	}
	slow.Stop()
	return nil
}

func (c *client) leave() {
	if c.line != nil {
		c.cancel()
		c.line.Close()
		c.line = nil
	}
}

func (c *client) send(req wire.Request) error {
	frame, err := wire.Encode(req)
	if err != nil {
		return errBroken{err}
	}
	return c.line.Send(frame)
}

func (c *client) ask(req wire.Request) (*wire.Answer, error) { return c.askOf(req, nil) }

// askOf sends a request, and applies all frames up to its answer. An answer that opens a
// cursor is applied to its state.
func (c *client) askOf(req wire.Request, state *replica.Replica) (*wire.Answer, error) {
	c.lastID++
	req.ID = c.lastID
	if err := c.send(req); err != nil {
		return nil, err
	}
	for {
		message, err := c.line.Receive()
		if err != nil {
			return nil, err
		}
		frames, err := wire.Frames(message)
		if err != nil {
			return nil, errBroken{err}
		}
		var found *wire.Answer
		for _, frame := range frames {
			answer, err := c.apply(frame, state)
			if err != nil {
				return nil, errBroken{fmt.Errorf("%w in %.500s", err, frame)}
			}
			if answer != nil && answer.ID == req.ID {
				found = answer
			}
		}
		if found != nil {
			return found, nil
		}
	}
}

func (c *client) apply(frame []byte, state *replica.Replica) (*wire.Answer, error) {
	var kind struct {
		Hello, Status int
		Push          string
	}
	if err := json.Unmarshal(frame, &kind); err != nil {
		return nil, err
	}
	switch {
	case kind.Hello != 0, kind.Push != "":
		return nil, nil
	case kind.Status != 0:
		answer := &wire.Answer{}
		err := json.Unmarshal(frame, answer)
		if err == nil && answer.Cursor != 0 && answer.Error == nil {
			c.cursors[answer.Cursor] = state
			before := state.Seq
			if _, err = state.Answer(answer); err == nil && state.Seq < before {
				err = fmt.Errorf("it resumed at %d, before %d", state.Seq, before)
			}
			if err == nil {
				err = c.note(state)
			}
		}
		return answer, err
	}
	var commit wire.Commit
	if err := json.Unmarshal(frame, &commit); err != nil {
		return nil, err
	}
	records, err := replica.ByID(commit.Records)
	if err != nil {
		return nil, err
	}
	for number, delta := range commit.Cursors {
		held := c.cursors[number]
		if held == nil {
			return nil, fmt.Errorf("cursor %d is not open", number)
		}
		if commit.Seq <= held.Seq {
			return nil, fmt.Errorf("commit %d came after %d", commit.Seq, held.Seq)
		}
		if _, err := held.Apply(commit.Seq, delta, records); err != nil {
			return nil, err
		}
		if err := c.note(held); err != nil {
			return nil, err
		}
	}
	if commit.Ack {
		return nil, c.send(wire.Request{Applied: commit.Seq, From: commit.From})
	}
	return nil, nil
}
