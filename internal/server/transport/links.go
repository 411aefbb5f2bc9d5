package transport

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
)

// Links holds the connections without a WebSocket. A client names its link by an id
// that cannot be guessed, and only the user that opened a link can use it.
type Links struct {
	host   Host
	limits Limits

	heartbeat  time.Duration // the longest silence of a stream before it sends a comment
	maxPoll    time.Duration // the longest time that a poll waits for a message
	maxAbsence time.Duration // the longest time between two polls
	maxSilence time.Duration // the longest time without a request from the client of a stream

	mu      sync.Mutex
	closed  bool
	open    map[string]*link
	running sync.WaitGroup // goroutines that end links
}

// NewLinks returns the links of a host's connections.
func NewLinks(host Host, limits Limits) *Links {
	return &Links{host: host, limits: limits, open: map[string]*link{},
		heartbeat: 15 * time.Second, maxPoll: 25 * time.Second, maxAbsence: 30 * time.Second, maxSilence: 5 * time.Minute}
}

// add joins a connection and opens a link for it. After Close, the link ends at once, like those
// that were open.
func (s *Links) add(c Connection, kind string) (*link, error) {
	l := &link{links: s, id: rand.Text(), kind: kind, conn: c}
	closed, err := s.join(l)
	if closed {
		l.close(outbox.CloseRestart, restartReason)
	}
	return l, err
}

func (s *Links) join(l *link) (closed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.conn.Join(l); err != nil {
		return false, err
	}
	l.idle = time.AfterFunc(s.maxAbsence, func() {
		s.begin(func() { s.remove(l, outbox.ClosePolicy, "the client was silent for too long") })
	})
	if s.closed {
		l.idle.Stop()
		return true, nil
	}
	s.open[l.id] = l
	return false, nil
}

// get returns the open link with an id, nil if there is none.
func (s *Links) get(id string) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

// find returns the open link with an id, if the request comes from its session.
func (s *Links) find(id string, r *http.Request) (*link, error) {
	l := s.get(id)
	switch {
	case id == "":
		return nil, fault.Errorf(fault.BadRequest, "the request names no link")
	case l == nil:
		return nil, fault.Errorf(fault.NotFound, "there is no such link, or it has ended; connect again")
	case !s.host.Owns(r, l.conn):
		return nil, fault.Errorf(fault.Forbidden, "this link was opened in another session; connect again")
	}
	return l, nil
}

// Replace ends a link that another connection of its client has replaced, once the
// client has all messages that were sent on it. It does nothing if the user has no link
// with this id.
func (s *Links) Replace(id string, user string) {
	if l := s.get(id); l != nil && l.conn.UserKey() == user {
		l.leave()
		l.mu.Lock()
		l.replaced = true
		l.wake()
		l.mu.Unlock()
	}
}

// remove ends a link at once. Its client cannot find it any more.
func (s *Links) remove(l *link, code int, reason string) {
	s.mu.Lock()
	if s.open[l.id] == l {
		delete(s.open, l.id)
	}
	s.mu.Unlock()
	l.close(code, reason)
	l.idle.Stop()
}

// begin runs fn in a new goroutine, unless the links are closed.
func (s *Links) begin(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Go(fn)
	}
}

// Close ends every link with the advice to connect again, and those that are added from now on.
// It does not wait until they have ended.
func (s *Links) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, l := range s.open {
		s.running.Go(func() { l.close(outbox.CloseRestart, restartReason) })
		l.idle.Stop()
	}
}

// Wait returns when every link has ended. Call it after Close.
func (s *Links) Wait() { s.running.Wait() }
