package cursor

import (
	"context"
	"fmt"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Previewed is what a commit would do to one holder.
type Previewed struct {
	Holder   Holder
	Deltas   []Delta       // changes of its records
	Value    *record.Value // the new value of a cursor that carries one
	Included []Included    // changes of included records
	Closed   bool          // the holder would lose the cursor
}

func (f *Previewed) empty() bool {
	return len(f.Deltas) == 0 && f.Value == nil && len(f.Included) == 0 && !f.Closed
}

// Preview returns what a commit would do if it were the next one: for each holder,
// what the sink would receive. Nothing changes, and the sink receives nothing.
// prospect returns the commit, which must follow seq, the last delivered one. moves
// returns, as Rescope does, the holders whose spec the commit would change. Both are
// called under the engine's lock and must not change anything that the sink relies
// on. No commits are delivered until Preview returns, so it stops with an error if
// ctx ends.
func (e *Engine) Preview(ctx context.Context, prospect func(seq uint64) (store.Commit, error), moves func(store.Commit) []Move) (store.Commit, []Previewed, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := prospect(e.Seq())
	if err != nil {
		return c, nil, fmt.Errorf("preview a commit: %w", err)
	}
	p := &preview{engine: e, moving: map[Holder]bool{}, followed: map[*group]bool{}, before: e.at(ctx, c.Seq-1)}
	p.now = commitView{seq: c.Seq, changes: c.Changes, preview: p, at: func(read func(*store.Snapshot) error) error { return e.st.ViewWith(ctx, c, read) }}
	for _, m := range moves(c) {
		if err := p.move(m); err != nil {
			return c, nil, fmt.Errorf("preview commit %d: %w", c.Seq, err)
		}
	}
	if err := p.match(ctx); err != nil {
		return c, nil, fmt.Errorf("preview commit %d: %w", c.Seq, err)
	}
	return c, p.all, nil
}

// A preview is a commit that is not made. Copies of groups follow it, so that neither
// the engine nor a holder changes.
type preview struct {
	engine   *Engine
	before   view
	now      commitView      // after the commit
	moving   map[Holder]bool // holders that get nothing from their old query
	followed map[*group]bool
	all      []Previewed
	err      error // why a group could not follow the commit
}

func (p *preview) add(would Previewed, holders ...Holder) {
	if would.empty() {
		return
	}
	for _, h := range holders {
		if would.Holder = h; !p.moving[h] {
			p.all = append(p.all, would)
		}
	}
}

// match lets copies of all groups that the commit would touch follow it.
func (p *preview) match(ctx context.Context) error {
	for _, s := range p.engine.lookUp(p.now.changes, nil) {
		for _, q := range s.queries {
			for _, g := range q.groups() {
				p.follow(ctx, g, *s.touches)
			}
		}
		s.clearTouches()
	}
	for _, g := range p.engine.referringGroups(&p.now) {
		if !p.followed[g] {
			p.follow(ctx, g, nil)
		}
	}
	return p.err
}

// follow lets copies of a group follow the commit. Without touches, the commit
// changed only records that the group's records refer to.
func (p *preview) follow(ctx context.Context, g *group, touches []touch) {
	if p.err == nil {
		p.err = ctx.Err() // commits wait meanwhile
	}
	if p.err != nil {
		return
	}
	p.followed[g] = true
	var effects []Effect
	for _, c := range g.copies() {
		switch {
		case touches == nil:
			effects = c.followReferred(effects, &p.now)
		case g.query.ruled:
			effects = c.followRuled(effects, touches, &p.now)
		default:
			effects = c.follow(effects, touches, &p.now)
		}
	}
	for _, x := range effects {
		p.add(Previewed{Deltas: x.Deltas, Value: x.Value, Included: x.Included}, x.Holders...)
	}
}

// copies returns groups that hold what g does, outside of its query. If the holders
// have rules, there is one group for each holder, so that none of them splits.
func (g *group) copies() []*group {
	if !g.query.ruled {
		c := &group{query: g.query, holders: g.holders}
		if g.result != nil {
			c.result = g.result.clone()
		}
		return []*group{c}
	}
	all := make([]*group, len(g.holders))
	for i := range all {
		all[i] = &group{query: g.query, holders: g.holders[i : i+1 : i+1], rules: g.rules[i : i+1 : i+1], result: g.result.clone()}
	}
	return all
}

// move adds the changes for a holder whose spec the commit would change.
func (p *preview) move(m Move) error {
	g := m.Holder.membership().group
	if g == nil || g.query.serves(m.To) {
		return nil
	}
	d := g.leaving(p.before)
	d.move = m
	if d.err != nil {
		return d.err
	}
	var now result
	if m.To != nil {
		if err := d.check(); err != nil {
			return err
		}
		now = newResult(m.To, m.To.ruled(), 0)
		if err := fill(now, &commitView{at: p.now.at}, p.engine.rules(m.To)); err != nil {
			return err
		}
	}
	moved := d.moved(now, p.now.seq)
	p.add(Previewed{Deltas: moved.Deltas, Value: moved.Value, Included: moved.Included, Closed: m.To == nil}, m.Holder)
	p.moving[m.Holder] = true
	return nil
}
