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

	// What is held is a state of what is opened, and the history tells what was
	// missed since.
	alike  bool
	missed []touch

	known bool // what is held
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
	return h.Spec.key(canonical(h.Spec.Scope.Where).key) == spec.key(canonical(spec.Scope.Where).key)
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

// leadsOn finds out what the opening's holder has missed, and reports false where
// what it held has to be read for that.
func (e *Engine) leadsOn(p *past, o *opening, now reading) bool {
	if !p.alike {
		return p.held == nil || p.known
	}
	h, scope := e.history, &o.query.spec.Scope
	p.alike = h != nil && h.since <= p.held.Seq && (scope.end() == 0 || h.few(scope, p.held.Seq))
	if !p.alike {
		return false
	}
	p.missed = allowed(h.missed(scope.Model, &scope.Where, p.held.Seq), o.own)
	if !o.query.Ordered() {
		return true
	}
	was := now.clone().(*list)
	for _, t := range p.missed {
		was.apply(&touch{&store.Change{Before: t.change.After, After: t.change.Before}, t.after, t.before})
	}
	p.alike, p.known = false, !was.short()
	p.ids = idsOf(nil, was.visible())
	return p.known
}

// allowed returns the touches as a rule sees them.
func allowed(touches []touch, own rules) []touch {
	for i := range touches {
		t := &touches[i]
		t.before = t.before && own.allow(0, t.change.Before)
		t.after = t.after && own.allow(0, t.change.After)
	}
	return slices.DeleteFunc(touches, func(t touch) bool { return !t.before && !t.after })
}
