package read

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/transport"
	"github.com/towerkit/tower/internal/wire"
)

// Path is the path that cursors are read at: Path + "posts/published".
const Path = "/_tower/read/"

const (
	heartbeat = 15 * time.Second // the longest silence of a stream
	maxWait   = time.Minute      // for the next change
	writeWait = 10 * time.Second // that a client has to accept an event
)

// restartReason is the reason to end streams when the server closes.
const restartReason = "the server restarts; connect again"

// A Host is the application that owns the cursors.
type Host interface {
	// Seq returns the number of the newest commit.
	Seq() uint64
	// Wait waits until a connection that opens a cursor gets the state of a commit or a later one.
	Wait(ctx context.Context, seq uint64) error
	// Accept returns a new connection for the client that sent a request.
	Accept(r *http.Request) transport.Connection
	// ReadCursor answers an open with everything, in the newest state, or in the state at
	// a position. It fails with the code Expired if the position is gone.
	ReadCursor(r *http.Request, q *wire.Request, at string) (*wire.Answer, error)
	// Answered counts bytes that a request was answered with.
	Answered(r *http.Request, bytes int)
	// Fail answers a request with an error.
	Fail(w http.ResponseWriter, r *http.Request, err error)
}

// A Server serves the cursors of a host. It is safe for concurrent use.
type Server struct {
	host Host

	mu     sync.Mutex
	closed bool
	open   map[*follower]struct{}
}

// New returns a server of a host's cursors.
func New(host Host) *Server { return &Server{host: host, open: map[*follower]struct{}{}} }

// add lets Close end a follower, at once if that was called.
func (s *Server) add(f *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		f.End(outbox.CloseRestart, restartReason)
	}
	s.open[f] = struct{}{}
}

func (s *Server) remove(f *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, f)
}

// Close ends all streams and waits for changes, and those that come from now on. It does not
// wait until they have ended.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for f := range s.open {
		f.End(outbox.CloseRestart, restartReason)
	}
}

// ServeHTTP answers a GET of Path and the name of a cursor.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, wait, err := parse(r)
	switch {
	case err != nil:
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		err = s.stream(w, r, q)
	default:
		err = s.read(w, r, q, wait)
	}
	if err != nil {
		s.host.Fail(w, r, err)
	}
}

// own are the parameters that are not inputs of the cursor.
var own = []string{"in", "where", "order", "limit", "since", "wait"}

// parse returns the open that a request asks for, and how long it waits for a change.
func parse(r *http.Request) (q *wire.Request, wait time.Duration, err error) {
	name := strings.TrimPrefix(r.URL.Path, Path)
	if i := strings.LastIndex(name, "/"); i >= 0 {
		name = name[:i] + "." + name[i+1:]
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, 0, fault.Errorf(fault.BadRequest, "the query cannot be read: %v", err)
	}
	for _, name := range own {
		if len(values[name]) > 1 && name != "order" {
			return nil, 0, fault.Errorf(fault.BadRequest, "%s is given %d times", name, len(values[name]))
		}
	}
	if where := strings.TrimSpace(values.Get("where")); values.Has("where") && (where == "" || where == "null") {
		return nil, 0, fault.Errorf(fault.BadRequest, "where is %q; leave it out to read all records", where)
	}
	q = &wire.Request{Open: name, Since: values.Get("since")}
	if values.Has("in") {
		q.In = json.RawMessage(values.Get("in"))
	}
	if values.Has("where") {
		q.Where = json.RawMessage(values.Get("where"))
	}
	for _, order := range values["order"] {
		q.Order = append(q.Order, strings.Split(order, ",")...)
	}
	if values.Has("limit") {
		if q.Limit, err = strconv.Atoi(values.Get("limit")); err != nil || q.Limit < 0 {
			return nil, 0, fault.Errorf(fault.BadRequest, "limit is %q; it must be a number of records", values.Get("limit"))
		}
	}
	if values.Has("wait") {
		if wait, err = duration(values.Get("wait")); err != nil {
			return nil, 0, err
		}
	}
	if q.Since == "" {
		q.Since = r.Header.Get("Last-Event-ID")
	}
	for _, name := range own {
		values.Del(name)
	}
	if len(values) > 0 {
		if q.In != nil {
			return nil, 0, fault.Errorf(fault.BadRequest, "the inputs are given twice: as in, and one by one")
		}
		form := values.Encode()
		q.Form = &form
	}
	return q, wait, nil
}

// duration parses a number of seconds, or a duration with its unit.
func duration(text string) (time.Duration, error) {
	seconds, err := strconv.Atoi(text)
	wait := time.Duration(seconds) * time.Second
	if err != nil {
		wait, err = time.ParseDuration(text)
	}
	if err != nil || wait < 0 {
		return 0, fault.Errorf(fault.BadRequest, "wait is %q; it must be a duration such as 20s", text)
	}
	return min(wait, maxWait), nil
}

// read answers with the state of the cursor. If the client names a position, it waits
// until the cursor holds something else.
func (s *Server) read(w http.ResponseWriter, r *http.Request, q *wire.Request, wait time.Duration) error {
	since := q.Since
	q.Since = ""
	state, tag, err := s.state(r, q, "")
	if err != nil {
		return err
	}
	if since != "" {
		_, before, err := s.state(r, q, since)
		switch {
		case err != nil && fault.As(err).Code != fault.Expired:
			return err
		case err == nil && before == tag:
			if state, tag, err = s.await(r, q, tag, wait); err != nil {
				return err
			}
			if tag == before {
				describe(w, state.At, tag)
				w.WriteHeader(http.StatusNoContent)
				return nil
			}
		}
	}
	size, err := Write(w, r, state.At, tag, state)
	s.host.Answered(r, size)
	return err
}

func (s *Server) state(r *http.Request, q *wire.Request, at string) (*State, string, error) {
	answer, err := s.host.ReadCursor(r, q, at)
	if err != nil {
		return nil, "", err
	}
	state, err := StateOf(q.Open, answer)
	if err != nil {
		return nil, "", err
	}
	tag, err := Tag(state)
	return state, tag, err
}

// await returns the state of the cursor once it is another than that of the tag, or after
// wait.
func (s *Server) await(r *http.Request, q *wire.Request, tag string, wait time.Duration) (*State, string, error) {
	if wait > 0 {
		f, err := s.follow(r, q, true)
		if err != nil {
			return nil, "", err
		}
		defer s.leave(f)
		timer := time.NewTimer(wait)
		defer timer.Stop()
		for {
			next, err := f.next(r.Context(), timer.C)
			if err != nil {
				return nil, "", err
			}
			if next == nil || next.name != "state" {
				break
			}
			if now, err := Tag(next.data.(*State)); err != nil || now != tag {
				break
			}
		}
	}
	return s.state(r, q, "")
}

// describe sets the headers of a state.
func describe(w http.ResponseWriter, at, tag string) {
	header := w.Header()
	header.Set("ETag", tag)
	header.Set("Tower-At", at)
	header.Set("Cache-Control", "private, no-cache")
	header.Add("Vary", "Cookie, Accept")
}

// Write answers with a body that holds states of the tag, or with 304 if the client has
// them. It returns the size of what it has sent.
func Write(w http.ResponseWriter, r *http.Request, at, tag string, body any) (size int, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, fmt.Errorf("encode the state: %w", err)
	}
	describe(w, at, tag)
	if known := r.Header.Get("If-None-Match"); known == "*" || slices.ContainsFunc(strings.Split(known, ","), func(one string) bool {
		return strings.TrimPrefix(strings.TrimSpace(one), "W/") == strings.TrimPrefix(tag, "W/")
	}) {
		w.WriteHeader(http.StatusNotModified)
		return 0, nil
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n')) // the client may be gone
	return len(data), nil
}

// stream sends the state of the cursor and every change as events, until either side ends
// the stream.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, q *wire.Request) error {
	f, err := s.follow(r, q, false)
	if err != nil {
		return err
	}
	defer s.leave(f)
	transport.LimitSendBuffer(r.Context())
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no") // proxies must not collect events
	out := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	if err := send(w, out, []byte("retry: 1000\n\n")); err != nil {
		return nil //nolint:nilerr // the client is gone
	}
	for {
		next, err := f.next(r.Context(), beat.C)
		if err != nil {
			return nil //nolint:nilerr // the client is gone, or the answer has begun
		}
		text := []byte(":\n\n")
		if next != nil {
			if text, err = next.encode(); err != nil {
				return err
			}
		}
		if err := send(w, out, text); err != nil || next != nil && next.name == "end" {
			return nil //nolint:nilerr // the client is gone
		}
	}
}

// send writes to the client, which must accept it in time.
func send(w io.Writer, out *http.ResponseController, text []byte) error {
	_ = out.SetWriteDeadline(time.Now().Add(writeWait)) // a recorder of a test has none
	if _, err := w.Write(text); err != nil {
		return err
	}
	return out.Flush()
}

// encode returns the event as a stream sends it. Its id is the position to resume from.
func (e *event) encode() ([]byte, error) {
	data, err := json.Marshal(e.data)
	if err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	var b bytes.Buffer
	b.WriteString("event: " + e.name + "\n")
	if e.at != "" {
		b.WriteString("id: " + e.at + "\n")
	}
	b.WriteString("data: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes(), nil
}
