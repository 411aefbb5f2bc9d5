package session

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
)

const ticketAge = time.Minute

// A ticket lets a client that signed in over a socket fetch its cookie, once.
type ticket struct {
	session Session
	expires time.Time
}

// Ticket returns a ticket for a session. It is valid once, and for a minute.
func (s *Sessions) Ticket(session Session) string {
	name := fmt.Sprintf("%x", rand.Text())
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for old, t := range s.tickets {
		if now.After(t.expires) {
			delete(s.tickets, old)
		}
	}
	s.tickets[name] = ticket{session, now.Add(ticketAge)}
	return name
}

// Redeem invalidates a ticket and returns its session. It fails if that has ended
// meanwhile.
func (s *Sessions) Redeem(name string) (Session, error) {
	s.mu.Lock()
	t, ok := s.tickets[name]
	delete(s.tickets, name)
	s.mu.Unlock()
	if !ok || time.Now().After(t.expires) || !s.Live(t.session) {
		return Session{}, fault.Errorf(fault.Forbidden, "this ticket was used or has expired; sign in again")
	}
	return t.session, nil
}
