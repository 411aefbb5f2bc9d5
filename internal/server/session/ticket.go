package session

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
)

const ticketAge = time.Minute

// A Ticket lets a client fetch, once, the cookies of a call that it made over a socket.
type Ticket struct {
	Session *Session // the client's new one; nil: unchanged
	Cookies []string // further ones, as values of the header Set-Cookie

	expires time.Time
}

// Issue returns the name of a ticket. It is valid once, and for a minute.
func (s *Sessions) Issue(t Ticket) string {
	name := fmt.Sprintf("%x", rand.Text())
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for old, other := range s.tickets {
		if now.After(other.expires) {
			delete(s.tickets, old)
		}
	}
	t.expires = now.Add(ticketAge)
	s.tickets[name] = t
	return name
}

// Redeem invalidates a ticket and returns it. It fails if its session has ended meanwhile.
func (s *Sessions) Redeem(name string) (Ticket, error) {
	s.mu.Lock()
	t, ok := s.tickets[name]
	delete(s.tickets, name)
	s.mu.Unlock()
	if !ok || time.Now().After(t.expires) || t.Session != nil && !s.Live(*t.Session) {
		return Ticket{}, fault.Errorf(fault.Forbidden, "this ticket was used or has expired; sign in again")
	}
	return t, nil
}
