package cursor

import (
	"context"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Previewed is what a commit would do to what one holder holds.
type Previewed struct {
	Holder   Holder
	Deltas   []Delta       // from what it holds to what it would hold
	Value    *record.Value // of a cursor of a value: what it would be
	Included []Included    // what else
	Closed   bool          // it would not be allowed to hold it any more
}

func (f *Previewed) empty() bool {
	return len(f.Deltas) == 0 && f.Value == nil && len(f.Included) == 0 && !f.Closed
}

// Preview works out what a commit would do if it were the next one: what Deliver
// would be told, but holder by holder, and nobody is told. prospect makes the
// commit, to follow seq, the last that was delivered; moves says, as Rescope does,
// which holders it would give another spec. Both are called under the engine's
// lock, and must change nothing that the sink relies on. Where ctx ends, so does the
// thought: commits are not delivered meanwhile.
func (e *Engine) Preview(ctx context.Context, prospect func(seq uint64) (store.Commit, error), moves func(store.Commit) []Move) (store.Commit, []Previewed, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := prospect(e.Seq())
	if err != nil {
		return c, nil, fmt.Errorf("foresee a commit: %w", err)
	}
	f := preview{engine: e, moving: map[Holder]bool{}, followed: map[*group]bool{}, before: e.at(ctx, c.Seq-1)}
	f.now = commitView{seq: c.Seq, changes: c.Changes, at: func(read func(*store.Snapshot) error) error { return e.st.ViewWith(ctx, c, read) }}
	for _, m := range moves(c) {
		if err := f.move(m); err != nil {
			return c, nil, fmt.Errorf("foresee commit %d: %w", c.Seq, err)
		}
	}
	if err := f.match(ctx); err != nil {
		return c, nil, fmt.Errorf("foresee commit %d: %w", c.Seq, err)
	}
	return c, f.seen, nil
}

// A preview is a commit that is thought through.
type preview struct {
	engine   *Engine
	before   view
	now      commitView      // after the commit
	moving   map[Holder]bool // those to whom what happens to their query does not matter
	followed map[*group]bool
	seen     []Previewed
}

func (f *preview) see(seen Previewed, holders ...Holder) {
	if seen.empty() {
		return
	}
	for _, h := range holders {
		if seen.Holder = h; !f.moving[h] {
			f.seen = append(f.seen, seen)
		}
	}
}

// match finds the queries that the commit would touch, as [Engine.match] does.
func (f *preview) match(ctx context.Context) (err error) {
	var touched []*selector
	for i := range f.now.changes {
		if x := f.engine.indexes[f.now.changes[i].Model]; x != nil {
			touched = x.match(&f.now.changes[i], touched)
		}
	}
	for _, s := range touched {
		for _, q := range s.queries {
			for _, g := range q.groups() {
				if err == nil {
					err = f.follow(ctx, g, *s.touches)
				}
			}
		}
		s.clearTouches()
	}
	for i := range f.now.changes {
		for g := range f.engine.referring[record.Key{Model: f.now.changes[i].Model, ID: f.now.changes[i].ID}] {
			if err == nil && !f.followed[g] {
				err = f.follow(ctx, g, nil)
			}
		}
	}
	return err
}

// follow thinks of what a group's holders would be told: the same, where they
// have no rules.
func (f *preview) follow(ctx context.Context, g *group, touches []touch) error {
	if err := ctx.Err(); err != nil { // commits wait to be delivered
		return err
	}
	f.followed[g] = true
	if !g.query.ruled {
		seen, err := f.previewGroup(g, nil, touches)
		f.see(seen, g.holders...)
		return err
	}
	for i, h := range g.holders {
		seen, err := f.previewGroup(g, g.rules[i], touches)
		if err != nil {
			return err
		}
		f.see(seen, h)
	}
	return nil
}

// previewGroup is [group.follow] on a copy of what the group holds, by one holder's rules.
func (f *preview) previewGroup(g *group, own rules, touches []touch) (Previewed, error) {
	touches = slices.Clone(touches)
	for i := range touches {
		t := &touches[i]
		t.after = t.after && own.allow(0, t.change.After)
	}
	if g.result == nil {
		return Previewed{Deltas: flat(touches)}, nil
	}
	switch r := g.result.clone().(type) {
	case *list:
		return f.previewList(r, own, touches)
	case *aggregate:
		was := r.value()
		for i := range touches {
			r.apply(&touches[i])
		}
		if r.needsFill() {
			if err := r.fill(f.now.at, own); err != nil {
				return Previewed{}, err
			}
		}
		return Previewed{Value: r.since(was)}, nil
	default:
		for i := range touches {
			r.apply(&touches[i])
		}
		touches = slices.DeleteFunc(touches, func(t touch) bool { return !t.before && !t.after })
		return Previewed{Deltas: flat(touches)}, nil
	}
}

// previewList is that of a list, which is a copy.
func (f *preview) previewList(l *list, own rules, touches []touch) (seen Previewed, err error) {
	ids := idsOf(nil, l.visible())
	for i := range touches {
		l.apply(&touches[i])
	}
	if l.needsFill() {
		if err := l.fill(f.now.at, own); err != nil {
			return seen, err
		}
	}
	for n := range l.includes {
		c := &l.includes[n]
		refs, err := c.references(l.visible(), &f.now)
		if err != nil {
			return seen, err
		}
		if deltas := c.follow(refs, func(i int) bool { return own.allow(1+n, refs[i].image) }); len(deltas) > 0 {
			seen.Included = append(seen.Included, Included{Model: c.of.Model, Deltas: deltas})
		}
	}
	seen.Deltas = l.nest(diff(ids, l.visible(), f.now.seq-1, true), seen.Included)
	return seen, nil
}

// move thinks of what a holder would be told that the commit gives another spec.
func (f *preview) move(m Move) (err error) {
	g := m.Holder.membership().group
	if g == nil || g.query.serves(m.To) {
		return nil
	}
	seen := Previewed{Closed: m.To == nil}
	if was, valued := g.result.(*aggregate); valued {
		if m.To != nil {
			seen.Value, err = f.movedValue(m.To, was)
		}
	} else {
		err = f.moved(&seen, g, m.To)
	}
	f.see(seen, m.Holder)
	f.moving[m.Holder] = true
	return err
}

func (f *preview) movedValue(to *Spec, was *aggregate) (*record.Value, error) {
	if err := to.check(); err != nil {
		return nil, err
	}
	now := newAggregate(to, to.ruled())
	err := now.fill(f.now.at, f.engine.rules(to))
	return now.since(was.value()), err
}

// moved compares the records that a group holds with those of another spec, nil
// for none.
func (f *preview) moved(seen *Previewed, g *group, to *Spec) error {
	ids, err := g.ids(f.before)
	if err != nil {
		return err
	}
	var with includedIDs
	if l, ok := g.result.(*list); ok {
		with = l.includedIDs()
	}
	if to == nil {
		seen.Deltas, seen.Included = diff(ids, nil, f.now.seq-1, false), with.diff(nil, f.now.seq-1)
		return nil
	}
	if err := to.check(); err != nil {
		return err
	}
	now := newList(to, 0)
	if err := fill(now, &commitView{at: f.now.at}, f.engine.rules(to)); err != nil {
		return err
	}
	seen.Included = with.diff(now, f.now.seq-1)
	seen.Deltas = now.nest(diff(ids, now.visible(), g.query.key.resendAfter(f.now.seq-1, to), to.ordered()), seen.Included)
	return nil
}
