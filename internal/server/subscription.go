package server

import (
	"sync"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A Subscription is a console's queue of events. Wake receives a value when there is
// something to Take. Its methods are safe for concurrent use.
type Subscription struct {
	mu      sync.Mutex
	queue   []queuedEvent
	weight  int
	skipped skipped
	missed  int
	Wake    chan struct{}
}

// A queuedEvent is an event in a queue. The event of a commit is completed when it is
// taken, so that later commits do not wait for that.
type queuedEvent struct {
	event  wire.ControlEvent
	commit *store.Commit
}

// weight returns the space that the event takes in a queue.
func (t *queuedEvent) weight() int {
	if t.commit == nil {
		return 1
	}
	return 1 + min(len(t.commit.Changes), maxChanges) + len(t.event.Commit.Reached)
}

// put queues an event, or counts it if the queue is full.
func (s *Subscription) put(t queuedEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	weight := t.weight()
	switch {
	case s.weight+weight <= maxQueuedEvents:
		s.queue = append(s.queue, t)
		s.weight += weight
	case t.commit != nil:
		s.skipped.count(t.commit)
	default:
		s.missed++
	}
	select {
	case s.Wake <- struct{}{}:
	default:
	}
}

// skip counts a commit that is not traced.
func (s *Subscription) skip(commit *store.Commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipped.count(commit)
}

// Take removes and returns all queued events, followed by a summary of the commits and
// events that were left out.
func (s *Subscription) Take() []wire.ControlEvent {
	s.mu.Lock()
	queue, left, missed := s.queue, s.skipped, s.missed
	s.queue, s.weight, s.skipped, s.missed = nil, 0, skipped{}, 0
	s.mu.Unlock()
	events := make([]wire.ControlEvent, len(queue))
	for i, t := range queue {
		if events[i] = t.event; t.commit != nil {
			events[i].Commit = describeCommit(t)
		}
	}
	if left.commits > 0 {
		events = append(events, wire.ControlEvent{Skipped: left.describe()})
	}
	if missed > 0 {
		events = append(events, wire.ControlEvent{Missed: missed})
	}
	return events
}

// A skipped counts commits that are not sent as events.
type skipped struct {
	commits int
	seq     uint64
	changes []skippedChanges
}

type skippedChanges struct {
	op    store.Op
	model *record.Model
	n     int
}

func (s *skipped) count(commit *store.Commit) {
	s.commits++
	s.seq = commit.Seq
	for i := range commit.Changes {
		s.countChange(&commit.Changes[i])
	}
}

func (s *skipped) countChange(change *store.Change) {
	for i := range s.changes {
		if known := &s.changes[i]; known.op == change.Op && known.model == change.Model {
			known.n++
			return
		}
	}
	s.changes = append(s.changes, skippedChanges{change.Op, change.Model, 1})
}

// describe returns the counts in their wire form.
func (s *skipped) describe() *wire.Skipped {
	out := &wire.Skipped{Commits: s.commits, Seq: s.seq, Changes: make([]wire.Count, len(s.changes))}
	for i, c := range s.changes {
		out.Changes[i] = wire.Count{Op: c.op.String(), Model: c.model.Name, N: c.n}
	}
	return out
}
