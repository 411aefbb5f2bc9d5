package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// An inspector sends events to consoles that watch, as many as a person can follow; it
// counts the others. Without a console it costs one atomic load for each commit. Nothing
// waits for a console that does not keep up, and its queue is bounded.
type inspector struct {
	watching atomic.Int32
	measure  func(bool) // turns measurements on while a console watches
	log      logTail

	mu            sync.Mutex
	subscriptions map[*Subscription]struct{}
	commits       quota
	acks          quota
	recent        map[uint64]*trace // the newest traced commits, to time their acknowledgements
	order         []uint64

	absence   time.Duration         // after it, a client that asked again and again has left
	returning map[string]*returning // such clients
}

const (
	tracesPerSecond = 20
	traceBurst      = 200
	acksPerSecond   = 1000 // requests for acknowledgements
	ackBurst        = 5000
	maxRecentTraces = 1024
	maxQueuedEvents = 10_000 // changes, cursors and other events queued for one console
	maxAbsence      = 30 * time.Second

	// SkippedEvery is the time between reports of skipped commits.
	SkippedEvery = 100 * time.Millisecond
)

func newInspector() *inspector {
	return &inspector{
		subscriptions: map[*Subscription]struct{}{}, recent: map[uint64]*trace{},
		commits: quota{perSecond: tracesPerSecond, burst: traceBurst},
		acks:    quota{perSecond: acksPerSecond, burst: ackBurst},
		absence: maxAbsence, returning: map[string]*returning{},
	}
}

// subscribe returns a subscription that starts with the newest lines of the log.
func (i *inspector) subscribe() *Subscription {
	s := &Subscription{Wake: make(chan struct{}, 1)}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, line := range i.log.newest() {
		s.put(queuedEvent{event: wire.ControlEvent{Log: &line}})
	}
	i.subscriptions[s] = struct{}{}
	i.watching.Add(1)
	i.measure(true)
	return s
}

// unsubscribe ends a subscription.
func (i *inspector) unsubscribe(s *Subscription) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.subscriptions, s)
	i.measure(i.watching.Add(-1) > 0)
}

// A presence says whether consoles know of a connection.
type presence int

const (
	unknown presence = iota
	announced
	departed
)

// A returning client asks again and again, each time over a connection of its own. To
// consoles it is one: it has joined once, and leaves when it stays away.
type returning struct {
	number uint64      // of its first connection
	open   int         // its connections
	leave  *time.Timer // since none is open
}

// clientOf returns the name of the returning client that a connection belongs to, "" if
// its client has this connection alone.
func clientOf(c *Connection) string {
	if t, ok := c.outbox.Transport.(interface{ Returns() (as string) }); ok && t.Returns() != "" {
		return string(c.user) + " " + c.remote + " " + t.Returns()
	}
	return ""
}

// joined reports a connection to consoles, unless it has left meanwhile.
func (i *inspector) joined(c *Connection) {
	info := c.Info()
	i.mu.Lock()
	defer i.mu.Unlock()
	if c.presence != unknown {
		return
	}
	c.presence = announced
	if name := clientOf(c); name != "" {
		r := i.returning[name]
		if r == nil {
			r = &returning{number: c.number}
			i.returning[name] = r
		}
		if r.open++; r.leave != nil {
			r.leave.Stop()
		}
		if r.number != c.number {
			return
		}
	}
	i.publishLocked(queuedEvent{event: wire.ControlEvent{Joined: &info}})
}

// left reports that a connection has ended, if it was reported before.
func (i *inspector) left(c *Connection) {
	i.mu.Lock()
	defer i.mu.Unlock()
	was := c.presence
	c.presence = departed
	if was != announced {
		return
	}
	name := clientOf(c)
	r := i.returning[name]
	if r == nil {
		i.publishLocked(queuedEvent{event: wire.ControlEvent{Left: c.number}})
		return
	}
	if r.open--; r.open == 0 {
		r.leave = time.AfterFunc(i.absence, func() { i.stayedAway(name, r) })
	}
}

// stayedAway reports that a returning client has left, unless it has come back.
func (i *inspector) stayedAway(name string, r *returning) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.open == 0 && i.returning[name] == r {
		delete(i.returning, name)
		i.publishLocked(queuedEvent{event: wire.ControlEvent{Left: r.number}})
	}
}

// close stops waiting for clients that may return.
func (i *inspector) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.returning {
		if r.leave != nil {
			r.leave.Stop()
		}
	}
	clear(i.returning)
}

// publish queues an event for all subscriptions.
func (i *inspector) publish(event wire.ControlEvent) {
	if i.watching.Load() == 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.publishLocked(queuedEvent{event: event})
}

// publishLocked is publish for a caller that holds the lock.
func (i *inspector) publishLocked(t queuedEvent) {
	for s := range i.subscriptions {
		s.put(t)
	}
}

// acknowledge records that a client has applied a commit, or the merged commits from one
// to another.
func (i *inspector) acknowledge(c *Connection, from, seq uint64) {
	if from == 0 {
		from = seq
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, recent := range i.order {
		if from <= recent && recent <= seq {
			i.recordAck(i.recent[recent], c)
		}
	}
}

// recordAck publishes the acknowledgement of a commit. The caller holds the lock.
func (i *inspector) recordAck(t *trace, c *Connection) {
	lag := time.Since(t.commit.At).Microseconds()
	c.applied.Store(t.commit.Seq)
	c.lag.Store(lag)
	event := wire.ControlEvent{Applied: &wire.AppliedEvent{Seq: t.commit.Seq, Connection: c.number, Micros: lag}}
	if t.published {
		i.publishLocked(queuedEvent{event: event})
	} else {
		t.earlyAcks = append(t.earlyAcks, event) // the event of the commit comes first
	}
}

// A quota limits events to a rate, with a burst.
type quota struct {
	perSecond, burst float64
	left             float64
	at               time.Time
}

// spend takes n from the quota and reports whether at least one was left. The quota may
// become negative.
func (b *quota) spend(n int) bool {
	now := time.Now()
	if b.at.IsZero() {
		b.left = b.burst
	}
	b.left = min(b.left+b.perSecond*now.Sub(b.at).Seconds(), b.burst)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left -= float64(n)
	return true
}

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
