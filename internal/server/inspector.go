package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

// An inspector tells watching consoles what happens, as much as a person can
// follow: of more it tells how much it was. Without a watcher it costs one atomic
// load a commit, and for one that does not keep up nothing waits or grows.
type inspector struct {
	watching atomic.Int32
	measure  func(bool) // is told whether somebody watches
	log      logTail

	mu            sync.Mutex
	subscriptions map[*Subscription]struct{}
	commits       budget
	acks          budget
	recent        map[uint64]*trace // the newest traced commits, whose acknowledgements are timed
	order         []uint64
}

const (
	tracesPerSecond = 20
	traceBurst      = 200
	acksPerSecond   = 1000 // clients asked to say when they have applied a commit
	ackBurst        = 5000
	maxRecentTraces = 1024
	maxQueuedEvents = 10_000 // changes, cursors and other events that wait for one console
	SkippedEvery    = 100 * time.Millisecond
)

func newInspector() *inspector {
	return &inspector{
		subscriptions: map[*Subscription]struct{}{}, recent: map[uint64]*trace{},
		commits: budget{perSecond: tracesPerSecond, burst: traceBurst},
		acks:    budget{perSecond: acksPerSecond, burst: ackBurst},
	}
}

// subscribe begins with the end of the log.
func (i *inspector) subscribe() *Subscription {
	s := &Subscription{Wake: make(chan struct{}, 1)}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, line := range i.log.lines() {
		s.put(queuedEvent{event: wire.ControlEvent{Log: &line}})
	}
	i.subscriptions[s] = struct{}{}
	i.watching.Add(1)
	i.measure(true)
	return s
}

func (i *inspector) unsubscribe(s *Subscription) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.subscriptions, s)
	i.measure(i.watching.Add(-1) > 0)
}

func (i *inspector) publish(event wire.ControlEvent) {
	if i.watching.Load() == 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.publishLocked(queuedEvent{event: event})
}

func (i *inspector) publishLocked(t queuedEvent) {
	for s := range i.subscriptions {
		s.put(t)
	}
}

// acknowledge notes a client's word that it has applied a commit, or those from one
// to another that were merged for it.
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

func (i *inspector) recordAck(t *trace, c *Connection) {
	lag := time.Since(t.commit.At).Microseconds()
	c.applied.Store(t.commit.Seq)
	c.lag.Store(lag)
	event := wire.ControlEvent{Applied: &wire.AppliedEvent{Seq: t.commit.Seq, Connection: c.number, Micros: lag}}
	if t.published {
		i.publishLocked(queuedEvent{event: event})
	} else {
		t.earlyAcks = append(t.earlyAcks, event) // a console hears of the commit first
	}
}

// A budget is spent by what happens, and fills up with time.
type budget struct {
	perSecond, burst float64
	left             float64
	at               time.Time
}

// spend reports whether there was anything left; it may take more than that.
func (b *budget) spend(n int) bool {
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
