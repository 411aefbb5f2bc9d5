package cursor

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strings"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A history indexes the newest commits by the values that records had before and
// after. With it, a resuming client gets what it missed without a read of the state
// that it holds, nor of the newest state if the query does not keep it.
type history struct {
	since, until uint64 // it holds the commits after since, up to until
	size         int    // number of changes
	limit        int    // maximum number of changes
	unused       int    // commits since it was last used
	models       map[*record.Model]*modelLog
	cached       map[record.Key]*record.Image // records as they are now, by key; nil if there is none
}

const (
	maxHistory = 16 << 10 // changes in a history, about 20 MB
	maxUnused  = 4 << 10  // commits after which an unused history is dropped

	maxCachedRecords = 4 << 10 // records
)

// A modelLog holds the changes of one model's records, in order.
type modelLog struct {
	changes []logged
	indexes map[*record.Field]*valueIndex
}

type logged struct {
	*store.Change
	seq uint64
}

// A valueIndex maps the values of a field, before and after, to positions in a
// modelLog.
type valueIndex struct {
	scanned int // number of changes that are indexed
	places  map[record.Value][]int
}

func newHistory(since uint64, most int) *history {
	return &history{since: since, until: since, limit: most, models: map[*record.Model]*modelLog{}, cached: map[record.Key]*record.Image{}}
}

// add appends a commit.
func (h *history) add(c store.Commit) {
	for i := range c.Changes {
		change := &c.Changes[i]
		l := h.models[change.Model]
		if l == nil {
			l = &modelLog{indexes: map[*record.Field]*valueIndex{}}
			h.models[change.Model] = l
		}
		l.changes = append(l.changes, logged{change, c.Seq})
		delete(h.cached, record.Key{Model: change.Model, ID: change.ID})
	}
	h.size += len(c.Changes)
	h.unused++
	h.until = c.Seq
}

// full reports whether the history is too long, or has not been used for too long.
func (h *history) full() bool { return h.size > h.limit || h.unused > maxUnused }

// missed returns the net effect of the commits after seq on the records that satisfy
// the conditions now, or did after seq: one touch for each record, by id.
func (h *history) missed(m *record.Model, where *query.Condition, seq uint64) []touch {
	h.unused = 0
	l := h.models[m]
	if l == nil {
		return nil
	}
	var all []touch
	for _, place := range l.find(where, seq) {
		change := l.changes[place].Change
		t := touch{change, change.Before != nil && where.Match(change.Before), change.After != nil && where.Match(change.After)}
		if t.before || t.after {
			all = append(all, t)
		}
	}
	slices.SortStableFunc(all, func(a, b touch) int { return strings.Compare(string(a.change.ID), string(b.change.ID)) })
	net := all[:0]
	for _, t := range all {
		if n := len(net); n > 0 && net[n-1].change.ID == t.change.ID {
			t = touch{&store.Change{Model: m, ID: t.change.ID, Before: net[n-1].change.Before, After: t.change.After}, net[n-1].before, t.after}
			net = net[:n-1]
		}
		net = append(net, t)
	}
	return slices.DeleteFunc(net, func(t touch) bool { return !t.before && !t.after })
}

// at returns a record as it was after the commit seq, or nil if there was none. A
// record that has not changed since is read from now, the current state.
func (h *history) at(seq uint64, m *record.Model, id record.ID, now view) (*record.Image, error) {
	if l := h.models[m]; l != nil {
		if places := l.positions(query.Term{Field: m.Field("id"), Value: record.StringValue(string(id))}, seq); len(places) > 0 {
			return l.changes[places[0]].Before, nil
		}
	}
	key := record.Key{Model: m, ID: id}
	image, known := h.cached[key]
	if known {
		return image, nil
	}
	err := now(func(snap *store.Snapshot) (err error) {
		image, err = find(snap, m, id)
		return err
	})
	if err == nil {
		if len(h.cached) >= maxCachedRecords {
			clear(h.cached)
		}
		h.cached[key] = image
	}
	return image, err
}

// fewMatches reports whether finding what a bounded list has missed takes less work
// than reading the list.
func (h *history) fewMatches(s *query.Scope, seq uint64) bool {
	l := h.models[s.Model]
	return l == nil || l.countMatches(&s.Where, seq) <= 2*s.End()
}

// countMatches returns how many positions find would return, or a few more.
func (l *modelLog) countMatches(where *query.Condition, seq uint64) (n int) {
	points, uncovered := where.Terms(query.TermFilter{Points: true})
	if uncovered != nil {
		return len(l.changes) - l.first(seq)
	}
	for _, at := range points {
		n += len(l.positions(at, seq))
	}
	return n
}

// find returns the positions of changes after seq, each once and in order. They
// contain all changes of records that satisfy the conditions, and may contain others.
func (l *modelLog) find(where *query.Condition, seq uint64) (places []int) {
	points, uncovered := where.Terms(query.TermFilter{Points: true})
	if uncovered != nil {
		for place := l.first(seq); place < len(l.changes); place++ {
			places = append(places, place)
		}
		return places
	}
	for _, at := range points {
		places = append(places, l.positions(at, seq)...)
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// first returns the position of the first change after seq.
func (l *modelLog) first(seq uint64) int {
	return sort.Search(len(l.changes), func(i int) bool { return l.changes[i].seq > seq })
}

// positions returns the positions of changes after seq in which a field had or has a
// value.
func (l *modelLog) positions(at query.Term, seq uint64) []int {
	places := l.indexOf(at.Field).places[at.Value]
	return places[sort.Search(len(places), func(i int) bool { return l.changes[places[i]].seq > seq }):]
}

// indexOf returns the up-to-date index of a field.
func (l *modelLog) indexOf(f *record.Field) *valueIndex {
	x := l.indexes[f]
	if x == nil {
		x = &valueIndex{places: map[record.Value][]int{}}
		l.indexes[f] = x
	}
	for ; x.scanned < len(l.changes); x.scanned++ {
		for _, img := range [...]*record.Image{l.changes[x.scanned].Before, l.changes[x.scanned].After} {
			if img == nil {
				continue
			}
			if f.Kind != record.List {
				x.add(img.Value(f))
				continue
			}
			img.Each(f, func(v record.Value) bool {
				x.add(v)
				return true
			})
		}
	}
	return x
}

// add adds a value of the change that is being indexed.
func (x *valueIndex) add(v record.Value) {
	places := x.places[v]
	if n := len(places); n == 0 || places[n-1] != x.scanned {
		x.places[v] = append(places, x.scanned)
	}
}

// read reads commits up to until from the feed.
func (h *history) read(ctx context.Context, feed *store.Feed, until uint64) error {
	for h.until < until && h.size <= h.limit {
		c, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		h.add(c)
	}
	return nil
}

// decode decodes the images, which takes too long under the engine's lock.
func (h *history) decode() {
	for m, l := range h.models {
		for _, c := range l.changes {
			for _, img := range [...]*record.Image{c.Before, c.After} {
				if img != nil {
					img.Value(m.Fields[0])
				}
			}
		}
	}
}

// reachesBack reports whether the engine's history reaches back to seq, which the
// engine has delivered. If it does not, the missing commits are read from the log,
// once for all callers, unless they are too many.
func (e *Engine) reachesBack(ctx context.Context, seq uint64) (bool, error) {
	e.loading.Lock()
	defer e.loading.Unlock()
	e.mu.Lock()
	known := e.history != nil && e.history.since <= seq
	e.mu.Unlock()
	if known || seq < e.unreachable || e.st.Count(seq, e.Seq()) > uint64(e.historyLimit) || e.st.LogStart() > seq+1 {
		return known, nil
	}
	h, feed := newHistory(seq, e.historyLimit), e.st.Feed(seq)
	err := h.read(ctx, feed, e.Seq())
	if err == nil {
		h.decode()
		e.mu.Lock()
		defer e.mu.Unlock()
		err = h.read(ctx, feed, e.Seq())
	}
	switch {
	case errors.Is(err, store.ErrExpired):
		return false, nil
	case err != nil:
		return false, err
	case h.size > h.limit:
		e.unreachable = seq + 1
		return false, nil
	}
	e.history = h
	return true, nil
}

// Untouched reports whether no record that satisfies the conditions of one of the
// scopes has changed, entered or left since the commit seq, up to the newest. It
// ignores order, limit and offset. It also returns false if finding out would take
// too long.
func (e *Engine) Untouched(ctx context.Context, seq uint64, scopes ...query.Scope) (bool, error) {
	if len(scopes) == 0 {
		return true, nil
	}
	if err := e.Wait(ctx, e.st.Seq()); err != nil {
		return false, err
	}
	if known, err := e.reachesBack(ctx, seq); !known || err != nil || seq > e.Seq() {
		return false, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.history == nil || e.history.since > seq {
		return false, nil
	}
	for i := range scopes {
		if len(e.history.missed(scopes[i].Model, &scopes[i].Where, seq)) > 0 {
			return false, nil
		}
	}
	return true, nil
}
