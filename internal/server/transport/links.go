package transport

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
)

// Links knows the connections that are carried by requests. A link is found by an
// id that nobody can guess, and only for the user who opened it.
type Links struct {
	host   Host
	limits Limits

	heartbeat  time.Duration // of silence, after which a stream says that it lives
	maxPoll    time.Duration // that a poll may take
	maxAbsence time.Duration // after a poll, that the next may take
	maxSilence time.Duration // of a stream's client, who sends nothing

	mu       sync.Mutex
	closed   bool
	open     map[string]*link
	visitors int
	running  sync.WaitGroup // what ends links
}

// NewLinks returns the links of a host's connections.
func NewLinks(host Host, limits Limits) *Links {
	return &Links{host: host, limits: limits, open: map[string]*link{},
		heartbeat: 15 * time.Second, maxPoll: 25 * time.Second, maxAbsence: 30 * time.Second, maxSilence: 5 * time.Minute}
}

// add opens a link for a connection.
func (s *Links) add(c Connection, kind string) (*link, error) {
	l := &link{links: s, id: rand.Text(), kind: kind, conn: c}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.Errorf(fault.Unavailable, "the server is closing")
	}
	if most := s.limits.MaxVisitors; c.UserKey() == "" && s.visitors >= most {
		return nil, fault.Errorf(fault.TooMany, "%d visitors are connected without a socket; try again later", most)
	}
	if err := c.Join(l); err != nil {
		return nil, err
	}
	if c.UserKey() == "" {
		s.visitors++
	}
	s.open[l.id] = l
	l.idle = time.AfterFunc(s.maxAbsence, func() {
		s.begin(func() { s.remove(l, outbox.ClosePolicy, "the client was silent for too long") })
	})
	return l, nil
}

// find returns an open link, for its user.
func (s *Links) find(id string, user string) (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.open[id]
	switch {
	case id == "":
		return nil, fault.Errorf(fault.BadRequest, "link is missing: the one that was opened")
	case l == nil:
		return nil, fault.Errorf(fault.NotFound, "there is no such link, or it has ended; connect again")
	case l.conn.UserKey() != user:
		return nil, fault.Errorf(fault.Forbidden, "this link was opened by another user; connect again")
	}
	return l, nil
}

// Replace ends a link of the user once its client has all that was sent: another
// connection, which is said to take its place, is open.
func (s *Links) Replace(id string, user string) {
	if l, err := s.find(id, user); err == nil {
		l.leave()
		l.mu.Lock()
		l.replaced = true
		l.wake()
		l.mu.Unlock()
	}
}

// remove ends a link of which nobody is to know any more.
func (s *Links) remove(l *link, code int, reason string) {
	s.mu.Lock()
	if s.open[l.id] == l {
		delete(s.open, l.id)
		if l.conn.UserKey() == "" {
			s.visitors--
		}
	}
	s.mu.Unlock()
	l.close(code, reason)
	l.idle.Stop()
}

// begin runs fn on a goroutine of its own, unless the links are closed.
func (s *Links) begin(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Go(fn)
	}
}

// Close ends every link with a word to come back, and takes no more. It does not
// wait for them.
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

// Wait returns when every link has ended.
func (s *Links) Wait() { s.running.Wait() }
