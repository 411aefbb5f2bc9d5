package cursor

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A resume is what a holder is to be led on from.
type resume struct {
	from   *Resume // nil: nothing
	resync string  // why not, though something is held

	byHistory bool // it is a state of what is opened, and the history leads on from it

	loaded   bool // what is held:
	ids      []record.ID
	included includedIDs
}

// loadResume looks at what is held.
func (e *Engine) loadResume(ctx context.Context, from *Resume, spec *Spec) (*resume, error) {
	if from == nil {
		return &resume{}, nil
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
			return &resume{resync: Epoch}, nil
		}
		if err := e.Wait(ctx, from.Seq); err != nil {
			return nil, err
		}
	}
	p := &resume{from: from}
	if !from.opens(spec) {
		return p, nil
	}
	var err error
	p.byHistory, err = e.reachesBack(ctx, from.Seq)
	return p, err
}

// opens reports whether what is held is a state of the spec, of which the history
// can tell.
func (h *Resume) opens(spec *Spec) bool {
	if h.Spec.ruled() != spec.ruled() || spec.ruled() && !h.SameRule {
		return false
	}
	return h.Spec.Tag == spec.Tag && string(h.Spec.appendKey(nil)) == string(spec.appendKey(nil)) &&
		query.Compare(query.Canonical(h.Spec.Scope.Where), query.Canonical(spec.Scope.Where)) == 0
}

// readResume reads the ids that are held, where the history does not tell.
func (e *Engine) readResume(ctx context.Context, p *resume) error {
	if p.from == nil || p.loaded || p.byHistory {
		return nil
	}
	l, err := e.readList(ctx, p.from.Seq, &p.from.Spec)
	switch {
	case errors.Is(err, store.ErrExpired):
		*p = resume{resync: Expired}
		return nil
	case err != nil:
		return err
	}
	p.ids, p.included, p.loaded = idsOf(nil, l.visible()), l.includedIDs(), true
	return nil
}

// canResume reports whether it is known what leads the opening's holder on. If not,
// what it held has to be read.
func (e *Engine) canResume(p *resume, o *opening, now result, at view) bool {
	if !p.byHistory {
		return p.from == nil || p.loaded
	}
	h, scope := e.history, o.query.Spec().Scope
	p.byHistory = h != nil && h.since <= p.from.Seq && (scope.End() == 0 || h.fewMatches(&scope, p.from.Seq))
	if !p.byHistory || !o.query.Ordered() {
		return p.byHistory
	}
	was := now.clone().(*list)
	for _, t := range e.missed(p, o) {
		was.apply(&touch{&store.Change{Before: t.change.After, After: t.change.Before}, t.after, t.before})
	}
	p.byHistory, p.ids = false, idsOf(nil, was.visible())
	var err error
	p.included, err = was.resumeIDs(h, p.from.Seq, o.rules, at)
	p.loaded = err == nil && !was.needsFill()
	return p.loaded
}

// resumeIDs returns what the records of the list, as they were after the commit seq,
// included then. The rules are those of then; at reads the present.
func (l *list) resumeIDs(h *history, seq uint64, own rules, at view) (includedIDs, error) {
	if len(l.includes) == 0 {
		return nil, nil
	}
	with := includedIDs{}
	for i := range l.includes {
		of := l.includes[i].of
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
func (e *Engine) missed(p *resume, o *opening) []touch {
	scope := o.query.Spec().Scope
	touches := e.history.missed(scope.Model, &scope.Where, p.from.Seq)
	for i := range touches {
		t := &touches[i]
		t.before = t.before && o.rules.allow(0, t.change.Before)
		t.after = t.after && o.rules.allow(0, t.change.After)
	}
	return slices.DeleteFunc(touches, func(t touch) bool { return !t.before && !t.after })
}

// A sharedResume is what leads a group's holder on. It serves others who come back from the
// same, until the next commit.
type sharedResume struct {
	origin      *Resume
	ids         []record.ID
	includedIDs includedIDs
	delta       []Delta
	included    []Included
}

// serves reports whether the lead begins where the past is.
func (l *sharedResume) serves(p *resume) bool {
	return l.origin.Seq == p.from.Seq && l.origin.Spec.nestsAs(&p.from.Spec) &&
		slices.Equal(l.ids, p.ids) && maps.EqualFunc(l.includedIDs, p.included, slices.Equal)
}

const maxSharedResumes = 64

// shareResume tells a holder of the group what leads it on, and whether others are told the
// same.
func (e *Engine) shareResume(g *group, from *resume, to *Opened, find func() ([]Delta, []Included)) {
	if len(g.holders) == 1 || g.query.ruled && !from.loaded {
		to.Deltas, to.Included = find()
		return
	}
	known, ok := e.sharedResumes[g]
	if !ok || !known.serves(from) {
		if len(e.sharedResumes) >= maxSharedResumes {
			clear(e.sharedResumes)
		}
		known = sharedResume{origin: from.from, ids: from.ids, includedIDs: from.included}
		known.delta, known.included = find()
		e.sharedResumes[g] = known
	}
	to.Deltas, to.Included, to.Shared = known.delta, known.included, true
}
