package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
)

const ticketAge = time.Minute

// MaxTicket is how many bytes the text of a ticket has at most.
const MaxTicket = 64 << 10

// A Ticket lets a client fetch, once, the cookies of a call that it made over a socket.
type Ticket struct {
	Session *Name    `json:"session,omitempty"` // the client's new one; nil: unchanged
	Cookies []string `json:"cookies,omitempty"` // further ones, as values of the header Set-Cookie
	Seq     uint64   `json:"seq,omitempty"`     // the last commit of the call; 0: none

	Key record.ID `json:"key"` // Issue sets it
}

// Issue returns a ticket as a text that only Sessions with the same secrets can read, on any
// node. It is valid once, and for a minute.
func (s *Sessions) Issue(t Ticket) (string, error) {
	t.Key = record.NewID()
	text, err := s.sealer.sealTicket(t)
	if err != nil {
		return "", fmt.Errorf("issue a ticket: %w", err)
	}
	return text, nil
}

// Redeem invalidates a ticket and returns it. It fails if its session has ended meanwhile.
func (s *Sessions) Redeem(ctx context.Context, text string) (Ticket, error) {
	t, err := s.sealer.openTicket(text)
	if err == nil && t.Session != nil && t.Session.ID != "" {
		_, err = s.find(ctx, *t.Session)
	}
	var attempt *store.Attempt
	if err == nil {
		attempt, err = store.NewAttempt("ticket", t.Key)
	}
	if err != nil {
		return Ticket{}, usedTicket(err)
	}
	_, err = s.store.Once(ctx, "ticket", attempt)
	var before *store.AppliedError
	if errors.As(err, &before) {
		return Ticket{}, usedTicket(err)
	}
	return t, err
}

func usedTicket(err error) error {
	return &fault.Error{Code: fault.Forbidden, Message: "this ticket was used or has expired; sign in again", Err: err}
}
