package cursor

import (
	"context"
	"errors"
	"slices"

	"github.com/towerkit/tower/internal/store"
)

// A past is what a holder is to be led on from.
type past struct {
	held   *Held  // nil: nothing
	resync string // why not, though something is held

	alike bool // it is a state of what is opened, and the history leads on from it

	known bool // what is held:
	ids   []store.ID
	with  companions
}

// recall looks at what is held.
func (e *Engine) recall(ctx context.Context, from *Held, spec *Spec) (*past, error) {
	if from == nil {
		return &past{}, nil
	}
	if from.Seq > e.Seq() {
		var newest uint64
		if err := e.st.View(ctx, func(snap *store.Snapshot) error {
			newest = snap.Seq()
			return nil
		}); err != nil {
			return nil, err
		}
		if from.Seq > newest {
			return &past{resync: Epoch}, nil
		}
		if err := e.Wait(ctx, from.Seq); err != nil {
			return nil, err
		}
	}
	p := &past{held: from}
	if !from.opens(spec) {
		return p, nil
	}
	var err error
	p.alike, err = e.reachesBack(ctx, from.Seq)
	return p, err
}

// opens reports whether what is held is a state of the spec, of which the history
// can tell.
func (h *Held) opens(spec *Spec) bool {
	if h.Spec.ruled() != spec.ruled() || spec.ruled() && !h.Same || len(spec.Include) > 0 {
		return false
	}
	return h.Spec.Tag == spec.Tag && string(h.Spec.appendForm(nil)) == string(spec.appendForm(nil)) &&
		compare(canonical(h.Spec.Scope.Where), canonical(spec.Scope.Where)) == 0
}

// readPast reads the ids that are held, where the history does not tell.
func (e *Engine) readPast(ctx context.Context, p *past) error {
	if p.held == nil || p.known || p.alike {
		return nil
	}
	l, err := e.readList(ctx, p.held.Seq, &p.held.Spec)
	switch {
	case errors.Is(err, store.ErrExpired):
		*p = past{resync: Expired}
		return nil
	case err != nil:
		return err
	}
	p.ids, p.with, p.known = idsOf(nil, l.visible()), l.companions(), true
	return nil
}

// leadsOn reports whether it is known what leads the opening's holder on. If not,
// what it held has to be read.
func (e *Engine) leadsOn(p *past, o *opening, now reading) bool {
	if !p.alike {
		return p.held == nil || p.known
	}
	h, scope := e.history, o.query.Spec().Scope
	p.alike = h != nil && h.since <= p.held.Seq && (scope.end() == 0 || h.few(&scope, p.held.Seq))
	if !p.alike || !o.query.Ordered() {
		return p.alike
	}
	was := now.clone().(*list)
	for _, t := range e.missed(p, o) {
		was.apply(&touch{&store.Change{Before: t.change.After, After: t.change.Before}, t.after, t.before})
	}
	p.alike, p.known = false, !was.short()
	p.ids = idsOf(nil, was.visible())
	return p.known
}

// missed returns what the history says to have become of the opening's records, as
// the holder's rule sees them.
func (e *Engine) missed(p *past, o *opening) []touch {
	scope := o.query.Spec().Scope
	touches := e.history.missed(scope.Model, &scope.Where, p.held.Seq)
	for i := range touches {
		t := &touches[i]
		t.before = t.before && o.own.allow(0, t.change.Before)
		t.after = t.after && o.own.allow(0, t.change.After)
	}
	return slices.DeleteFunc(touches, func(t touch) bool { return !t.before && !t.after })
}

// A lead is the deltas that lead a group's holder on. They serve others who come
// back from the same, until the next commit.
type lead struct {
	since uint64
	ids   []store.ID
	delta []Delta
}

const maxLeads = 64

// lead returns the deltas that lead a holder of the group on, and whether others
// have them, too.
func (e *Engine) lead(g *group, from *past, find func() []Delta) ([]Delta, bool) {
	if len(g.holders) == 1 || g.query.ruled && !from.known {
		return find(), false
	}
	known, ok := e.leads[g]
	if !ok || known.since != from.held.Seq || !slices.Equal(known.ids, from.ids) {
		if len(e.leads) >= maxLeads {
			clear(e.leads)
		}
		known = lead{from.held.Seq, from.ids, find()}
		e.leads[g] = known
	}
	return known.delta, true
}
