package session

import (
	"errors"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
)

// A Sandbox says what a [Start] does about a sandbox: a session in which one user, the actor, sees the
// application as another and changes nothing.
type Sandbox string

// What a [Start] does about a sandbox.
const (
	Enter Sandbox = "enter" // starts one in the client's own session
	Leave Sandbox = "leave" // ends it, and goes back to that
)

// SandboxMethod is the method of a session that is a sandbox.
const SandboxMethod = "see as"

// sandboxAge is how long a sandbox lasts.
const sandboxAge = 30 * time.Minute

// enter starts a sandbox in the actor's own session, if that has not ended.
func (s *Sessions) enter(tx *store.Tx, start Start, own Session) (Name, error) {
	err := s.LiveIn(tx, own)
	if errors.Is(err, store.ErrNotFound) {
		err = fault.Errorf(fault.Unauthenticated, "this session has ended; sign in again")
	}
	if err != nil {
		return Name{}, err
	}
	start.Method, start.Age = SandboxMethod, sandboxAge
	n, err := s.create(tx, start, own)
	n.Back = &own.name
	return n, err
}

// leave ends a sandbox, and returns the name of the actor's own session, or of a visitor's if that has ended.
func (s *Sessions) leave(tx *store.Tx, own Session) (Name, error) {
	if own.Under == "" {
		return own.name, nil
	}
	if err := s.End(tx, own.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return Name{}, err
	}
	_, _, err := s.in(tx, own.Under)
	if errors.Is(err, store.ErrNotFound) || own.name.Back == nil {
		return Name{}, nil
	}
	return *own.name.Back, err
}

// EndSoon has the next sweep, which begins at once, end a session: connect runs where nothing can be
// committed.
func (s *Sessions) EndSoon(id record.ID) {
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	s.uses.refused[id] = true
	s.uses.poke()
}
