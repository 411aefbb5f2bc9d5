package cursor

import (
	"context"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/store"
)

// A Foreseen is what a commit would do to what one holder holds.
type Foreseen struct {
	Holder Holder
	Deltas []Delta      // from what it holds to what it would hold
	Value  *store.Value // of a cursor of a value: what it would be
	Closed bool         // it would not be allowed to hold it any more
}

// Foresee works out what a commit would do if it were the next one: what Deliver
// would be told, but holder by holder, and nobody is told. prospect makes the
// commit, to follow seq, the last that was delivered; moves says, as Rescope does,
// which holders it would give another spec. Both are called under the engine's
// lock, and must change nothing that the sink relies on.
func (e *Engine) Foresee(ctx context.Context, prospect func(seq uint64) (store.Commit, error), moves func(store.Commit) []Move) (store.Commit, []Foreseen, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := prospect(e.Seq())
	if err != nil {
		return c, nil, fmt.Errorf("foresee a commit: %w", err)
	}
	f := foresight{engine: e, commit: c, moving: map[Holder]bool{},
		before: e.at(ctx, c.Seq-1),
		after:  func(read func(*store.Snapshot) error) error { return e.st.ViewWith(ctx, c, read) }}
	for _, m := range moves(c) {
		if err := f.move(m); err != nil {
			return c, nil, fmt.Errorf("foresee commit %d: %w", c.Seq, err)
		}
	}
	if err := f.match(); err != nil {
		return c, nil, fmt.Errorf("foresee commit %d: %w", c.Seq, err)
	}
	return c, f.seen, nil
}

// A foresight is a commit that is thought through.
type foresight struct {
	engine        *Engine
	commit        store.Commit
	before, after view
	moving        map[Holder]bool // those to whom what happens to their query does not matter
	seen          []Foreseen
}

func (f *foresight) see(seen Foreseen, holders ...Holder) {
	if len(seen.Deltas) == 0 && seen.Value == nil && !seen.Closed {
		return
	}
	for _, h := range holders {
		if seen.Holder = h; !f.moving[h] {
			f.seen = append(f.seen, seen)
		}
	}
}

// match finds the queries that the commit would touch, as [Engine.match] does.
func (f *foresight) match() (err error) {
	var touched []*selector
	for i := range f.commit.Changes {
		if x := f.engine.indexes[f.commit.Changes[i].Model]; x != nil {
			touched = x.match(&f.commit.Changes[i], touched)
		}
	}
	for _, s := range touched {
		for _, q := range s.queries {
			for _, g := range q.groups {
				if err == nil {
					err = f.follow(g, s.touches)
				}
			}
		}
		s.forget()
	}
	return err
}

// follow thinks of what a group's holders would be told: the same, where they
// have no rules.
func (f *foresight) follow(g *group, touches []touch) error {
	if !g.query.ruled {
		seen, err := f.would(g, nil, touches)
		f.see(seen, g.holders...)
		return err
	}
	for i, h := range g.holders {
		decided := slices.Clone(touches)
		for j := range decided {
			t := &decided[j]
			t.after = t.after && g.rules[i](t.change.After)
		}
		seen, err := f.would(g, g.rules[i], decided)
		if err != nil {
			return err
		}
		f.see(seen, h)
	}
	return nil
}

// would is [group.follow] on a copy of what the group holds.
func (f *foresight) would(g *group, allow rule, touches []touch) (Foreseen, error) {
	if g.reading == nil {
		return Foreseen{Deltas: flat(touches)}, nil
	}
	r := g.reading.clone()
	l, isList := r.(*list)
	t, isTally := r.(*tally)
	var ids []store.ID
	var was store.Value
	if isList {
		ids = idsOf(nil, l.visible())
	} else if isTally {
		was = t.value()
	}
	touches = slices.Clone(touches)
	for i := range touches {
		r.apply(&touches[i])
	}
	if r.short() {
		if err := r.fill(f.after, allow); err != nil {
			return Foreseen{}, err
		}
	}
	switch {
	case isList:
		return Foreseen{Deltas: diff(ids, l.visible(), f.commit.Seq-1, true)}, nil
	case isTally:
		return Foreseen{Value: t.since(was)}, nil
	default:
		touches = slices.DeleteFunc(touches, func(t touch) bool { return !t.before && !t.after })
		return Foreseen{Deltas: flat(touches)}, nil
	}
}

// move thinks of what a holder would be told that the commit gives another spec.
func (f *foresight) move(m Move) error {
	p, open := f.engine.places[m.Holder]
	if !open || p.group.query.serves(m.To) {
		return nil
	}
	seen := Foreseen{Closed: m.To == nil}
	var to Spec
	if m.To != nil {
		to = *m.To
		to.Allow = f.engine.rule(to.Allow)
	}
	was, tallied := p.group.reading.(*tally)
	switch {
	case m.To == nil && tallied:
	case tallied:
		now, err := ReadValue(f.after, to)
		if err != nil {
			return err
		}
		if now != was.value() {
			seen.Value = &now
		}
	default:
		ids, err := p.group.ids(f.before)
		var images []*store.Image
		if err == nil && m.To != nil {
			images, err = Read(f.after, to)
		}
		if err != nil {
			return err
		}
		seen.Deltas = diff(ids, images, f.commit.Seq-1, m.To != nil && to.ordered())
	}
	f.see(seen, m.Holder)
	f.moving[m.Holder] = true
	return nil
}
