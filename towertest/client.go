package towertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
)

// A Client is connected to an application over a real socket, as a user.
type Client struct {
	t      testing.TB
	socket *websocket.Conn
	hello  wire.Hello
	reader sync.WaitGroup
	write  sync.Mutex

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when anything arrives
	frames  []string
	answers map[uint64]*wire.Answer
	cursors map[uint64][]*Cursor // equal ones have one number
	opening map[uint64]*Cursor   // by the id of the request
	lastID  uint64
	err     error
}

// An Answer is what a call returned.
type Answer struct {
	Status   int
	Out      json.RawMessage
	Code     string // of the error, "" without one
	Message  string
	Problems map[string][]string
}

// Connect connects as the user with that id, "" for a visitor, until the test
// ends.
func (a *App) Connect(t testing.TB, user tower.ID) *Client {
	t.Helper()
	header := a.request(t, user, http.MethodGet, "/", nil).Header
	socket, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.URL, "http")+"/_tower/socket", header)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	c := &Client{t: t, socket: socket, changed: make(chan struct{}), answers: map[uint64]*wire.Answer{}, cursors: map[uint64][]*Cursor{}, opening: map[uint64]*Cursor{}}
	c.reader.Go(c.read)
	t.Cleanup(c.Close)
	c.send(wire.Request{Hello: wire.Version})
	c.await("a hello", func() bool { return c.hello.Hello != 0 })
	return c
}

// Close ends the connection. The test's end does so too.
func (c *Client) Close() {
	_ = c.socket.Close()
	c.reader.Wait()
}

// Call calls an action and waits for its answer.
func (c *Client) Call(route string, in any) Answer {
	c.t.Helper()
	id := c.request(wire.Request{Call: route, In: c.encode(in)}, nil)
	answer := c.answer(id, route)
	out := Answer{Status: answer.Status, Out: answer.Out}
	if answer.Error != nil {
		out.Code, out.Message, out.Problems = answer.Error.Code, answer.Error.Message, answer.Error.Problems
	}
	return out
}

// Open opens a cursor and waits for its records.
func (c *Client) Open(name string, in any) *Cursor {
	c.t.Helper()
	cursor, answer := c.TryOpen(name, in)
	if answer.Status != http.StatusOK {
		c.t.Fatalf("open %s: %d %s", name, answer.Status, answer.Message)
	}
	return cursor
}

// TryOpen is Open for a cursor that may be refused.
func (c *Client) TryOpen(name string, in any) (*Cursor, Answer) {
	c.t.Helper()
	return c.open(wire.Request{Open: name, In: c.encode(in)})
}

// A Narrowing is what a client asks for on top of a cursor's own scope, in the
// form of the browser library.
type Narrowing struct {
	Where map[string]any
	Order []string
	Limit int
}

// Narrow opens a cursor narrowed; it may be refused.
func (c *Client) Narrow(name string, by Narrowing) (*Cursor, Answer) {
	c.t.Helper()
	req := wire.Request{Open: name, Order: by.Order, Limit: by.Limit}
	if by.Where != nil {
		req.Where = c.encode(by.Where)
	}
	return c.open(req)
}

func (c *Client) open(req wire.Request) (*Cursor, Answer) {
	c.t.Helper()
	return c.resume(req, nil)
}

// resume opens a cursor from what another connection of the same user held of it,
// nil for nothing.
func (c *Client) resume(req wire.Request, held *Cursor) (*Cursor, Answer) {
	c.t.Helper()
	cursor := &Cursor{client: c, name: req.Open, records: map[string]json.RawMessage{}, include: map[string]map[string]json.RawMessage{}}
	if held != nil {
		cursor.ids, cursor.records, req.Since = slices.Clone(held.ids), maps.Clone(held.records), held.at
		for model, records := range held.include {
			cursor.include[model] = maps.Clone(records)
		}
	}
	id := c.request(req, cursor)
	answer := c.answer(id, "open "+req.Open)
	out := Answer{Status: answer.Status}
	if answer.Error != nil {
		out.Code, out.Message = answer.Error.Code, answer.Error.Message
	}
	return cursor, out
}

// settle waits until all that the server has sent so far is here: an answer comes
// after it.
func (c *Client) settle() {
	c.t.Helper()
	const unknown = 1 << 52 // a cursor that is not open
	c.answer(c.request(wire.Request{Close: unknown}, nil), "a request")
}

// Frames returns every message that was received so far, as text: what a user's
// browser was sent, and so all that it can know.
func (c *Client) Frames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.frames...)
}

// Await waits until what is received makes done true.
func (c *Client) Await(what string, done func() bool) {
	c.t.Helper()
	c.await(what, done)
}

func (c *Client) encode(in any) json.RawMessage {
	c.t.Helper()
	if in == nil {
		return nil
	}
	data, err := json.Marshal(in)
	if err != nil {
		c.t.Fatalf("encode the input: %v", err)
	}
	return data
}

func (c *Client) request(req wire.Request, cursor *Cursor) uint64 {
	c.mu.Lock()
	c.lastID++
	req.ID = c.lastID
	if cursor != nil {
		c.opening[req.ID] = cursor
	}
	c.mu.Unlock()
	c.send(req)
	return req.ID
}

func (c *Client) send(req wire.Request) {
	c.t.Helper()
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.socket.WriteJSON(req); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c *Client) answer(id uint64, what string) *wire.Answer {
	c.t.Helper()
	c.await("an answer to "+what, func() bool { return c.answers[id] != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers[id]
}

// await waits with the lock held while done looks.
func (c *Client) await(what string, done func() bool) {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		ok, changed, err := done(), c.changed, c.err
		c.mu.Unlock()
		if ok {
			return
		}
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", what, err)
		}
		select {
		case <-changed:
		case <-deadline:
			c.t.Fatalf("no %s within %s; received:\n%s", what, patience, strings.Join(c.Frames(), "\n"))
		}
	}
}

func (c *Client) read() {
	for {
		_, message, err := c.socket.ReadMessage()
		c.mu.Lock()
		if err == nil {
			c.frames = append(c.frames, string(message))
			err = c.apply(message)
		}
		c.err = err
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *Client) apply(message []byte) error {
	frames, err := wire.Frames(message)
	if err != nil {
		return err
	}
	for _, frame := range frames {
		if err := c.applyOne(frame); err != nil {
			return fmt.Errorf("%w in %s", err, frame)
		}
	}
	return nil
}

func (c *Client) applyOne(frame []byte) error {
	var kind struct {
		Hello  int
		Seq    uint64
		Status int
		Push   string
	}
	if err := json.Unmarshal(frame, &kind); err != nil {
		return err
	}
	switch {
	case kind.Hello != 0:
		return json.Unmarshal(frame, &c.hello)
	case kind.Push != "":
		return nil
	case kind.Status != 0:
		answer := &wire.Answer{}
		if err := json.Unmarshal(frame, answer); err != nil {
			return err
		}
		if cursor := c.opening[answer.ID]; cursor != nil && answer.Error == nil {
			if err := cursor.fill(answer); err != nil {
				return err
			}
			c.cursors[answer.Cursor] = append(c.cursors[answer.Cursor], cursor)
		}
		c.answers[answer.ID] = answer
		return nil
	}
	var commit wire.Commit
	if err := json.Unmarshal(frame, &commit); err != nil {
		return err
	}
	if err := c.commit(&commit); err != nil || !commit.Ack {
		return err
	}
	return c.confirm(&commit)
}

// confirm says that a commit has been applied, which a console is watching for.
func (c *Client) confirm(commit *wire.Commit) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.socket.WriteJSON(wire.Request{Applied: commit.Seq, From: commit.From})
}

func (c *Client) commit(commit *wire.Commit) error {
	records := byID(commit.Records)
	moved := map[uint64][]*Cursor{}
	for number, delta := range commit.Cursors {
		cursors := c.cursors[number]
		if len(cursors) == 0 {
			return fmt.Errorf("cursor %d is not open", number)
		}
		for _, cursor := range cursors {
			if err := cursor.apply(delta, records); err != nil {
				return err
			}
			cursor.at = wire.Position(c.hello.Epoch, commit.Seq)
		}
		if delta.To != 0 || delta.Closed != nil {
			delete(c.cursors, number)
		}
		if delta.To != 0 {
			moved[delta.To] = append(moved[delta.To], cursors...)
		}
	}
	for number, cursors := range moved {
		c.cursors[number] = append(c.cursors[number], cursors...)
	}
	return nil
}

// byID returns the records of a frame. No two of an application have one id.
func byID(models map[string][]json.RawMessage) map[string]json.RawMessage {
	records := map[string]json.RawMessage{}
	for _, list := range models {
		for _, record := range list {
			records[recordID(record)] = record
		}
	}
	return records
}

func recordID(record json.RawMessage) string {
	var header struct{ ID string }
	_ = json.Unmarshal(record, &header) // the server's records have ids
	return header.ID
}
