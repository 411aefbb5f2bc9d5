package server

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// An inspector tells watching consoles what happens. Without a watcher it costs
// one atomic load a commit.
type inspector struct {
	watching atomic.Int32

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	recent   map[uint64]time.Time // when the newest traced commits were made
	order    []uint64
}

// A watcher is a console's queue of events. A console that does not keep up
// misses some, and is told how many.
type watcher struct {
	mu     sync.Mutex
	queue  []wire.ControlEvent
	missed int
	wake   chan struct{}
}

const (
	maxEvents = 10_000 // that wait for one console
	maxReach  = 100    // cursors named in one event
	maxRecent = 1024   // commits whose acknowledgements are timed
)

func newInspector() *inspector {
	return &inspector{watchers: map[*watcher]struct{}{}, recent: map[uint64]time.Time{}}
}

func (i *inspector) watch() *watcher {
	w := &watcher{wake: make(chan struct{}, 1)}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.watchers[w] = struct{}{}
	i.watching.Add(1)
	return w
}

func (i *inspector) unwatch(w *watcher) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.watchers, w)
	i.watching.Add(-1)
}

func (i *inspector) tell(event wire.ControlEvent) {
	if i.watching.Load() == 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for w := range i.watchers {
		w.put(event)
	}
}

func (w *watcher) put(event wire.ControlEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) >= maxEvents {
		w.missed++
		return
	}
	w.queue = append(w.queue, event)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns what waits, with a word about what was missed.
func (w *watcher) take() []wire.ControlEvent {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.queue
	if w.missed > 0 {
		events = append(events, wire.ControlEvent{Missed: w.missed})
	}
	w.queue, w.missed = nil, 0
	return events
}

// A trace collects whom one commit reached. A nil trace, when nobody watches,
// does nothing.
type trace struct {
	inspector *inspector
	event     *wire.CommitEvent
	commit    store.Commit
}

func (i *inspector) trace(commit store.Commit) *trace {
	if i.watching.Load() == 0 {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.recent[commit.Seq] = commit.At
	if i.order = append(i.order, commit.Seq); len(i.order) > maxRecent {
		delete(i.recent, i.order[0])
		i.order = i.order[1:]
	}
	event := &wire.CommitEvent{Seq: commit.Seq, At: commit.At, By: commit.By, Reached: []wire.Reach{}}
	for _, change := range commit.Changes {
		event.Changes = append(event.Changes, describeChange(change))
	}
	return &trace{inspector: i, event: event, commit: commit}
}

func (t *trace) reach(handle *opened, deltas []cursor.Delta, value *store.Value) {
	if t == nil || len(t.event.Reached) >= maxReach {
		return
	}
	reach := wire.Reach{Connection: handle.conn.number, User: handle.conn.Label(), Cursor: handle.want.route.Name}
	if value != nil {
		reach.Change++
	}
	for _, delta := range deltas {
		switch delta.Op {
		case cursor.Enter:
			reach.Enter++
		case cursor.Change:
			reach.Change++
		case cursor.Leave:
			reach.Leave++
		}
	}
	t.event.Reached = append(t.event.Reached, reach)
}

func (t *trace) done(reached int, h *hub) {
	if t == nil {
		return
	}
	t.event.Connections, t.event.ReachedAll = h.count(), reached
	t.event.Micros = time.Since(t.commit.At).Microseconds()
	t.inspector.tell(wire.ControlEvent{Commit: t.event})
}

// applied notes a client's word that it has applied a commit, or those from one
// to another that were merged for it.
func (i *inspector) applied(c *Connection, from, seq uint64) {
	if i.watching.Load() == 0 {
		return
	}
	if from == 0 {
		from = seq
	}
	made := map[uint64]time.Time{}
	i.mu.Lock()
	for _, recent := range i.order {
		if from <= recent && recent <= seq {
			made[recent] = i.recent[recent]
		}
	}
	i.mu.Unlock()
	for _, seq := range slices.Sorted(maps.Keys(made)) {
		i.tell(wire.ControlEvent{Applied: &wire.AppliedEvent{Seq: seq, Connection: c.number, Micros: time.Since(made[seq]).Microseconds()}})
	}
}

func describeChange(change store.Change) wire.ChangeInfo {
	info := wire.ChangeInfo{Op: change.Op.String(), Model: change.Model.Name, ID: string(change.ID)}
	image := change.After
	if image == nil {
		image = change.Before
	}
	for _, field := range change.Model.Fields {
		if change.Op == store.Update && field.Name != "updatedAt" && !change.Same(field) {
			info.Fields = append(info.Fields, field.Name)
		}
	}
	if field := labelField(change.Model); field != nil {
		info.Label = shorten(image.Value(field).Text())
	}
	return info
}

// labelField is what a person knows a record by: its title or name, else the
// first text that it has.
func labelField(m *store.Model) *store.Field {
	for _, name := range []string{"title", "name"} {
		if f := m.Field(name); f != nil && f.Kind == store.String && !f.Private {
			return f
		}
	}
	for _, f := range m.Fields {
		if f.Kind == store.String && f.Ref == "" && f.Name != "id" && !f.Private {
			return f
		}
	}
	return nil
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		return string(runes[:39]) + "…"
	}
	return text
}

func (c *Connection) info() wire.ConnectionInfo {
	info := wire.ConnectionInfo{ID: c.number, User: c.Label(), UserID: string(c.user), Transport: c.outbox.transport.name(),
		Remote: c.remote, Since: c.since, Cursors: []string{}, Seq: c.seq.Load(), Queued: c.outbox.waiting()}
	for _, handle := range c.handles() {
		info.Cursors = append(info.Cursors, handle.want.route.Name)
	}
	return info
}
