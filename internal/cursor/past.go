package cursor

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A past is what a holder is to be led on from.
type past struct {
	held   *Held  // nil: nothing
	resync string // why not, though something is held

	alike bool // it is a state of what is opened, and the history leads on from it

	known bool // what is held:
	ids   []record.ID
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
	if h.Spec.ruled() != spec.ruled() || spec.ruled() && !h.Same {
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
func (e *Engine) leadsOn(p *past, o *opening, now reading, at view) bool {
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
	p.alike, p.ids = false, idsOf(nil, was.visible())
	var err error
	p.with, err = was.past(h, p.held.Seq, o.own, at)
	p.known = err == nil && !was.short()
	return p.known
}

// past returns what the records of the list, as they were after the commit seq,
// included then. The rules are those of then; at reads the present.
func (l *list) past(h *history, seq uint64, own rules, at view) (companions, error) {
	if len(l.company) == 0 {
		return nil, nil
	}
	with := companions{}
	for i := range l.company {
		of := l.company[i].of
		ids := of.refers(l.visible())
		slices.Sort(ids)
		var seen []record.ID
		for _, id := range ids {
			image, err := h.at(seq, of.Model, id, at)
			if err != nil {
				return nil, err
			}
			if image != nil && own.allow(1+i, image) {
				seen = append(seen, id)
			}
		}
		with[of.Model] = seen
	}
	return with, nil
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

// A lead is what leads a group's holder on. It serves others who come back from the
// same, until the next commit.
type lead struct {
	held     *Held
	ids      []record.ID
	with     companions
	delta    []Delta
	included []Included
}

// from reports whether the lead begins where the past is.
func (l *lead) from(p *past) bool {
	return l.held.Seq == p.held.Seq && l.held.Spec.looksAs(&p.held.Spec) &&
		slices.Equal(l.ids, p.ids) && maps.EqualFunc(l.with, p.with, slices.Equal)
}

const maxLeads = 64

// lead tells a holder of the group what leads it on, and whether others are told the
// same.
func (e *Engine) lead(g *group, from *past, to *Opened, find func() ([]Delta, []Included)) {
	if len(g.holders) == 1 || g.query.ruled && !from.known {
		to.Delta, to.Included = find()
		return
	}
	known, ok := e.leads[g]
	if !ok || !known.from(from) {
		if len(e.leads) >= maxLeads {
			clear(e.leads)
		}
		known = lead{held: from.held, ids: from.ids, with: from.with}
		known.delta, known.included = find()
		e.leads[g] = known
	}
	to.Delta, to.Included, to.Shared = known.delta, known.included, true
}
