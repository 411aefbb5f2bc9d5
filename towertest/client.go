package towertest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/line"
	"github.com/towerkit/tower/internal/wire/replica"
)

// The transports of a client: a WebSocket; an event stream, with requests beside it; and
// requests alone.
const (
	Socket = line.Socket
	Stream = line.Stream
	Poll   = line.Poll
)

// Transports returns all transports.
func Transports() []string { return line.Transports() }

// A Client is connected to an application over a real network, as a user. Its methods are
// safe for concurrent use. Call methods that can fail the test in the test's goroutine.
type Client struct {
	t      testing.TB
	app    *App
	header http.Header // of its requests: the cookie of its session
	line   line.Line
	hello  wire.Hello
	reader sync.WaitGroup
	write  sync.Mutex
	acks   []wire.Request // the reader sends them

	// arriving is held while a message is applied, and while a function decides whether what has
	// arrived is enough: it sees whole messages, and may read what the client holds, which
	// takes mu.
	arriving sync.Mutex

	mu      sync.Mutex // what the reader changes, it changes with both locks held
	observe func(seq uint64, open []*Cursor)
	changed chan struct{} // closed and replaced when anything arrives
	frames  []string
	answers map[uint64]*wire.Answer
	cursors map[uint64][]*Cursor // equal cursors share a number
	opening map[uint64]*Cursor   // by the id of the request
	lastID  uint64
	seq     uint64    // of the last commit
	newest  uint64    // the newest commit that the client knows of
	audited time.Time // when the client may send the next audit
	err     error
}

// An Answer is what a call returned.
type Answer struct {
	Status   int
	Out      json.RawMessage
	Code     string // of the error, "" if there is none
	Message  string
	Problems map[string][]string
}

// Connect connects as the user with that id, "" for a visitor, over the application's
// Transport. The connection is closed when the test ends.
func (a *App) Connect(t testing.TB, user tower.ID) *Client {
	t.Helper()
	c, err := a.dial(t, user)
	if err != nil {
		t.Fatalf("connect over a %s: %v", a.Transport, err)
	}
	return c
}

// dial is Connect for a client that may be refused: the error is a refusedError then.
func (a *App) dial(t testing.TB, user tower.ID) (*Client, error) {
	t.Helper()
	as := a.request(t, user, http.MethodGet, "/", nil).Header
	c, err := dial(t, a.Transport, a.URL, as)
	if err != nil {
		return nil, err
	}
	c.app, c.header = a, as
	t.Cleanup(c.Close)
	return c, nil
}

// dial connects to the application at url over a transport, and waits for its hello.
func dial(t testing.TB, transport, url string, header http.Header) (*Client, error) {
	to, err := line.Dial(t.Context(), transport, url, header)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	c := &Client{t: t, line: to, changed: make(chan struct{}), answers: map[uint64]*wire.Answer{}, cursors: map[uint64][]*Cursor{}, opening: map[uint64]*Cursor{}}
	c.reader.Go(c.read)
	if err = c.send(wire.Request{Hello: wire.Version}); err == nil {
		err = c.wait("a hello", func() bool { return c.hello.Hello != 0 || c.answers[0] != nil })
	}
	if refused := c.answers[0]; err == nil && refused != nil {
		err = &refusedError{refused.Error}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// A refusedError is why the application does not let a client connect.
type refusedError struct{ reason *wire.Error }

func (e *refusedError) Error() string { return "refused: " + e.reason.Message }

// Allowed returns what the user may use now, as the server announced it: the routes of
// actions and the names of cursors.
func (c *Client) Allowed() (actions, cursors []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.hello.Actions), slices.Clone(c.hello.Cursors)
}

// Observe calls fn after each message about commits, with the newest commit that the client
// knows of and its open cursors. The cursors then hold the state after that commit: the
// client reads the next message after fn returns. fn may read what the client holds, and
// must not wait for the client.
func (c *Client) Observe(fn func(seq uint64, open []*Cursor)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observe = fn
}

// Close ends the connection. It is also closed when the test ends.
func (c *Client) Close() {
	c.line.Close()
	c.reader.Wait()
}

// Call calls an action and waits for its answer.
func (c *Client) Call(route string, in any) Answer {
	c.t.Helper()
	answer := c.answer(wire.Request{Call: route, In: c.encode(in)}, nil)
	out := Answer{Status: answer.Status, Out: answer.Out}
	if answer.Error != nil {
		out.Code, out.Message, out.Problems = answer.Error.Code, answer.Error.Message, answer.Error.Problems
	}
	return out
}

// Open opens a cursor and waits for its records. It fails the test if the server
// refuses.
func (c *Client) Open(name string, in any) *Cursor {
	c.t.Helper()
	cursor, answer := c.TryOpen(name, in)
	if answer.Status != http.StatusOK {
		c.t.Fatalf("open %s: %d %s", name, answer.Status, answer.Message)
	}
	return cursor
}

// TryOpen is [Client.Open] for a cursor that the server may refuse. It returns the
// server's answer.
func (c *Client) TryOpen(name string, in any) (*Cursor, Answer) {
	c.t.Helper()
	return c.open(wire.Request{Open: name, In: c.encode(in)})
}

// live finds the attributes of a page's element that shows a cursor.
var live = regexp.MustCompile(`data-cursor="([^"]+)" data-live="([^"]+)" data-since="([^"]+)"`)

// shown finds the items of a page's list.
var shown = regexp.MustCompile(`data-id="([^"]+)"`)

// Page loads a page as the client's user and opens its lists and values from what the page
// shows, as a browser does. It returns them in the order of the page. A list must not be
// within another list.
func (c *Client) Page(path string) []*Cursor {
	c.t.Helper()
	req := c.app.request(c.t, "", http.MethodGet, path, nil)
	req.Header = c.header.Clone()
	req.Header.Set("Accept", "text/html")
	status, page := c.app.do(c.t, req)
	if status != http.StatusOK {
		c.t.Fatalf("load %s: %d %s", path, status, page)
	}
	var cursors []*Cursor
	found := live.FindAllStringSubmatchIndex(page, -1)
	for i, at := range found {
		end := len(page)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		held := &Cursor{name: page[at[2]:at[3]], state: &replica.Replica{At: page[at[6]:at[7]], HTML: true}}
		for _, item := range shown.FindAllStringSubmatch(page[at[0]:end], -1) {
			held.state.Append(item[1], json.RawMessage(`""`))
		}
		cursor, answer := c.resume(wire.Request{Live: page[at[4]:at[5]]}, held)
		if answer.Status != http.StatusOK {
			c.t.Fatalf("open %s of %s: %d %s", held.name, path, answer.Status, answer.Message)
		}
		cursors = append(cursors, cursor)
	}
	return cursors
}

// A Narrowing is what a client adds to a cursor's own scope, in the form that the browser
// library uses: see [tower.Narrow].
type Narrowing struct {
	Where map[string]any
	Order []string
	Limit int
}

// Narrow opens a cursor with a narrower scope and waits for its records. It fails the test
// if the server refuses.
func (c *Client) Narrow(name string, by Narrowing) *Cursor {
	c.t.Helper()
	cursor, answer := c.TryNarrow(name, by)
	if answer.Status != http.StatusOK {
		c.t.Fatalf("narrow %s: %d %s", name, answer.Status, answer.Message)
	}
	return cursor
}

// TryNarrow is [Client.Narrow] for a cursor that the server may refuse. It returns
// the server's answer.
func (c *Client) TryNarrow(name string, by Narrowing) (*Cursor, Answer) {
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

// resume opens a cursor from what another connection of the same user held of it, nil for
// nothing.
func (c *Client) resume(req wire.Request, held *Cursor) (*Cursor, Answer) {
	c.t.Helper()
	cursor := &Cursor{client: c, name: req.Open, in: req.In, state: &replica.Replica{}}
	if held != nil {
		cursor.name, cursor.state, req.Since = held.name, held.state.Clone(), held.state.At
		cursor.state.Value = nil // the answer carries it
	}
	answer := c.answer(req, cursor)
	out := Answer{Status: answer.Status}
	if answer.Error != nil {
		out.Code, out.Message = answer.Error.Code, answer.Error.Message
	}
	return cursor, out
}

// awaitSent waits until everything that the server has sent so far has arrived. The answer to
// a request arrives after it.
func (c *Client) awaitSent() error {
	const unknown = 1 << 52 // a cursor that is not open
	_, err := c.ask(wire.Request{Close: unknown}, nil)
	return err
}

// awaitEnd waits until the connection ends, and returns why; nil if it does not.
func (c *Client) awaitEnd() error {
	err := c.wait("end of the connection", func() bool { return false })
	if !errors.Is(err, errLost) {
		return nil
	}
	return err
}

// Frames returns the messages received so far, as text: all that the user's browser can
// know.
func (c *Client) Frames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.frames...)
}

// Await waits until done returns true. It calls done when a message arrives. done may read what
// the client and its cursors hold, and must not wait for the client.
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

// answer sends a request and waits for its answer. The cursor is the one it opens, or nil.
func (c *Client) answer(req wire.Request, cursor *Cursor) *wire.Answer {
	c.t.Helper()
	answer, err := c.ask(req, cursor)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer
}

// ask is answer for a connection that may be lost: it returns an error.
func (c *Client) ask(req wire.Request, cursor *Cursor) (*wire.Answer, error) {
	c.mu.Lock()
	c.lastID++
	req.ID = c.lastID
	if cursor != nil {
		c.opening[req.ID] = cursor
	}
	c.mu.Unlock()
	if err := c.send(req); err != nil {
		return nil, err
	}
	err := c.wait("answer to "+cmp.Or(req.Call, req.Open, req.Live, "a request"), func() bool { return c.answers[req.ID] != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers[req.ID], err
}

// errLost is the error of a connection that has ended.
var errLost = errors.New("the connection was lost")

func (c *Client) send(req wire.Request) error {
	c.write.Lock()
	defer c.write.Unlock()
	frame, err := wire.Encode(req)
	if err == nil {
		err = c.line.Send(frame)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return nil
}

func (c *Client) await(what string, done func() bool) {
	c.t.Helper()
	if err := c.wait(what, done); err != nil {
		c.t.Fatal(err)
	}
}

// wait waits until done returns true. No message is applied while done runs.
func (c *Client) wait(what string, done func() bool) error {
	deadline := time.After(patience)
	for {
		ok, changed, err := c.reached(done)
		if ok {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		select {
		case <-changed:
		case <-deadline:
			return fmt.Errorf("no %s within %s; received:\n%s", what, patience, strings.Join(c.Frames(), "\n"))
		}
	}
}

func (c *Client) reached(done func() bool) (ok bool, changed chan struct{}, err error) {
	c.arriving.Lock()
	defer c.arriving.Unlock() // done may fail the test
	return done(), c.changed, c.err
}

func (c *Client) read() {
	for {
		message, err := c.line.Receive()
		c.arriving.Lock()
		c.mu.Lock()
		if err != nil {
			err = fmt.Errorf("%w: %w", errLost, err)
		} else {
			c.frames = append(c.frames, string(message))
			err = c.apply(message)
		}
		c.err = err
		close(c.changed)
		c.changed = make(chan struct{})
		observe, seq, open := c.observe, c.newest, c.openCursors()
		owed := c.acks
		c.acks = nil
		if audit := c.audit(); audit != nil && err == nil {
			owed = append(owed, *audit)
		}
		c.mu.Unlock()
		c.arriving.Unlock()
		for _, frame := range owed {
			_ = c.send(frame) // if the connection is lost, receive returns the error
		}
		if err != nil {
			return
		}
		if observe != nil && seq > 0 {
			observe(seq, open)
		}
	}
}

// audit returns the checksum of what the client holds of one of its cursors, chosen at
// random, if the server wants it now; nil otherwise.
func (c *Client) audit() *wire.Request {
	every := time.Duration(c.hello.Audit * float64(time.Second))
	if now := time.Now(); every == 0 || now.Before(c.audited) {
		return nil
	}
	for id := range c.opening {
		if c.answers[id] == nil {
			return nil
		}
	}
	for number, cursors := range c.cursors { // in a random order
		state := cursors[0].state
		if state.Closed != nil {
			continue
		}
		sum, err := state.Sum()
		if err != nil {
			return nil // the test will see it
		}
		c.audited = time.Now().Add(time.Duration((1 + rand.Float64()) * float64(every)))
		return &wire.Request{Audit: number, Seq: max(c.newest, state.Seq), Sum: sum.All, Rows: sum.Rows}
	}
	return nil
}

// openCursors returns the open cursors.
func (c *Client) openCursors() []*Cursor {
	var all []*Cursor
	for _, cursors := range c.cursors {
		all = append(all, cursors...)
	}
	return all
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
			if err := cursor.answer(answer); err != nil {
				return err
			}
			c.cursors[answer.Cursor] = append(c.cursors[answer.Cursor], cursor)
		}
		if _, seq, err := wire.ParsePosition(answer.At); err == nil {
			c.newest = max(c.newest, seq)
		}
		c.answers[answer.ID] = answer
		return nil
	}
	var commit wire.Commit
	if err := json.Unmarshal(frame, &commit); err != nil {
		return err
	}
	if commit.Ack {
		c.acks = append(c.acks, wire.Request{Applied: commit.Seq, From: commit.From})
	}
	return c.commit(&commit)
}

func (c *Client) commit(commit *wire.Commit) error {
	if first := cmp.Or(commit.From, commit.Seq); first <= c.seq || commit.Seq < first {
		return fmt.Errorf("commits %d to %d came after %d", first, commit.Seq, c.seq)
	}
	c.seq, c.newest = commit.Seq, commit.Seq
	if commit.Allowed != nil {
		c.hello.Allowed = *commit.Allowed
	}
	records, err := replica.ByID(commit.Records)
	if err != nil {
		return err
	}
	moved := map[uint64][]*Cursor{}
	for number, delta := range commit.Cursors {
		cursors := c.cursors[number]
		if len(cursors) == 0 {
			return fmt.Errorf("cursor %d is not open", number)
		}
		for _, cursor := range cursors {
			if err := cursor.apply(commit.Seq, delta, records); err != nil {
				return err
			}
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

func recordID(record json.RawMessage) string {
	var header struct{ ID string }
	_ = json.Unmarshal(record, &header) // the server's records have ids
	return header.ID
}
