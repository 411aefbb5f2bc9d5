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

// A history is what the newest commits did, to be found by the values that records
// had before and after: by it those who come back are told what they missed, and
// neither the state that they hold nor, where it is not kept, the newest one has
// to be read.
type history struct {
	since, until uint64 // it holds the commits after the one, up to the other
	size         int    // changes
	limit        int    // changes that it holds
	unused       int    // commits since it was last asked
	models       map[*record.Model]*modelLog
	cached       map[record.Key]*record.Image // records that were read, as they are; nil: there is none
}

const (
	maxHistory = 16 << 10 // changes that a history holds, some 20 MB of them
	maxUnused  = 4 << 10  // commits after which a history that nobody asks is given up

	maxCachedRecords = 4 << 10 // records
)

// Annals are the changes of one model's records, in order.
type modelLog struct {
	changes []logged
	indexes map[*record.Field]*valueIndex
}

type logged struct {
	*store.Change
	seq uint64
}

// A valueIndex says where in the annals a field had a value, before or after.
type valueIndex struct {
	scanned int // how many of the changes it has looked at
	places  map[record.Value][]int
}

func newHistory(since uint64, most int) *history {
	return &history{since: since, until: since, limit: most, models: map[*record.Model]*modelLog{}, cached: map[record.Key]*record.Image{}}
}

// add appends a commit.
func (h *history) add(c store.Commit) {
	for i := range c.Changes {
		change := &c.Changes[i]
		a := h.models[change.Model]
		if a == nil {
			a = &modelLog{indexes: map[*record.Field]*valueIndex{}}
			h.models[change.Model] = a
		}
		a.changes = append(a.changes, logged{change, c.Seq})
		delete(h.cached, record.Key{Model: change.Model, ID: change.ID})
	}
	h.size += len(c.Changes)
	h.unused++
	h.until = c.Seq
}

// full reports whether the history has grown too long, or is of no use any more.
func (h *history) full() bool { return h.size > h.limit || h.unused > maxUnused }

// missed returns what the commits after seq did to the records for which the
// conditions hold now, or held after seq: a touch for each, by id, as if they had
// been one commit.
func (h *history) missed(m *record.Model, where *query.Condition, seq uint64) []touch {
	h.unused = 0
	a := h.models[m]
	if a == nil {
		return nil
	}
	var all []touch
	for _, place := range a.find(where, seq) {
		change := a.changes[place].Change
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

// at returns a record as it was after the commit seq, nil if there was none. What has
// not changed since is read as it is now.
func (h *history) at(seq uint64, m *record.Model, id record.ID, now view) (*record.Image, error) {
	if a := h.models[m]; a != nil {
		if places := a.positions(query.Term{Field: m.Field("id"), Value: record.StringValue(string(id))}, seq); len(places) > 0 {
			return a.changes[places[0]].Before, nil
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

// fewMatches reports whether it is little work to find out what a list that has an end
// has missed: little beside reading it.
func (h *history) fewMatches(s *query.Scope, seq uint64) bool {
	a := h.models[s.Model]
	return a == nil || a.countMatches(&s.Where, seq) <= 2*s.End()
}

// countMatches returns how many places find would return, or a few more.
func (a *modelLog) countMatches(where *query.Condition, seq uint64) (n int) {
	points, uncovered := where.Terms(query.TermFilter{Points: true})
	if uncovered != nil {
		return len(a.changes) - a.first(seq)
	}
	for _, at := range points {
		n += len(a.positions(at, seq))
	}
	return n
}

// find returns the places of changes after seq among which are all that touch the
// conditions, each once, in order.
func (a *modelLog) find(where *query.Condition, seq uint64) (places []int) {
	points, uncovered := where.Terms(query.TermFilter{Points: true})
	if uncovered != nil {
		for place := a.first(seq); place < len(a.changes); place++ {
			places = append(places, place)
		}
		return places
	}
	for _, at := range points {
		places = append(places, a.positions(at, seq)...)
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// first returns the place of the first change after seq.
func (a *modelLog) first(seq uint64) int {
	return sort.Search(len(a.changes), func(i int) bool { return a.changes[i].seq > seq })
}

// positions returns the places of changes after seq at which a field had or has a value.
func (a *modelLog) positions(at query.Term, seq uint64) []int {
	places := a.indexOf(at.Field).places[at.Value]
	return places[sort.Search(len(places), func(i int) bool { return a.changes[places[i]].seq > seq }):]
}

// indexOf returns the register of a field, up to date.
func (a *modelLog) indexOf(f *record.Field) *valueIndex {
	r := a.indexes[f]
	if r == nil {
		r = &valueIndex{places: map[record.Value][]int{}}
		a.indexes[f] = r
	}
	for ; r.scanned < len(a.changes); r.scanned++ {
		for _, img := range [...]*record.Image{a.changes[r.scanned].Before, a.changes[r.scanned].After} {
			if img == nil {
				continue
			}
			if f.Kind != record.List {
				r.add(img.Value(f))
				continue
			}
			img.Each(f, func(v record.Value) bool {
				r.add(v)
				return true
			})
		}
	}
	return r
}

// add enters a value of the change that is looked at.
func (r *valueIndex) add(v record.Value) {
	places := r.places[v]
	if n := len(places); n == 0 || places[n-1] != r.scanned {
		r.places[v] = append(places, r.scanned)
	}
}

// read lets the history follow the feed up to a commit.
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

// decode decodes the images, which is not to be done under the engine's lock.
func (h *history) decode() {
	for m, a := range h.models {
		for _, c := range a.changes {
			for _, img := range [...]*record.Image{c.Before, c.After} {
				if img != nil {
					img.Value(m.Fields[0])
				}
			}
		}
	}
}

// reachesBack reports whether the engine's history reaches back to seq, which the
// engine has come to. Where it does not, what it takes is read from the log, once
// for all who ask, unless that is too much.
func (e *Engine) reachesBack(ctx context.Context, seq uint64) (bool, error) {
	e.loading.Lock()
	defer e.loading.Unlock()
	e.mu.Lock()
	known := e.history != nil && e.history.since <= seq
	e.mu.Unlock()
	if known || seq < e.unreachable || e.Seq()-seq > uint64(e.historyLimit) || e.st.LogStart() > seq+1 {
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

// Untouched reports whether no record of the scopes has changed, come or gone
// since the commit seq, up to the newest: by their conditions, whatever their
// order, limit and offset. It reports false, too, where it would take too long to
// find out.
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
