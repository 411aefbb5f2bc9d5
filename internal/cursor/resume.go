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

// resume is the state of resuming a holder.
type resume struct {
	from   *Resume // nil if the client holds nothing
	resync string  // why the client cannot resume

	byHistory bool // the history has all changes since then

	loaded   bool // ids and included are what the client held
	ids      []record.ID
	included includedIDs
}

// loadResume prepares to resume from a position.
func (e *Engine) loadResume(ctx context.Context, from *Resume, spec *Spec) (*resume, error) {
	if from == nil {
		return &resume{}, nil
	}
	if from.Seq > e.Seq() {
		if err := e.st.Reach(ctx, from.Seq); errors.Is(err, store.ErrNoCommit) {
			return &resume{resync: Epoch}, nil
		} else if err != nil {
			return nil, err
		}
		if err := e.Wait(ctx, from.Seq); err != nil {
			return nil, err
		}
	}
	r := &resume{from: from}
	if !from.opens(spec) {
		return r, nil
	}
	var err error
	r.byHistory, err = e.reachesBack(ctx, from.Seq)
	return r, err
}

// opens reports whether h is a position of spec itself, so that the history can
// answer.
func (r *Resume) opens(spec *Spec) bool {
	if r.Spec.ruled() != spec.ruled() || spec.ruled() && !r.SameRule {
		return false
	}
	return r.Spec.Tag == spec.Tag && string(r.Spec.appendKey(nil)) == string(spec.appendKey(nil)) &&
		query.Compare(query.Canonical(r.Spec.Scope.Where), query.Canonical(spec.Scope.Where)) == 0
}

// readResume reads the ids that the client held, if the history cannot answer.
func (e *Engine) readResume(ctx context.Context, r *resume) error {
	if r.from == nil || r.loaded || r.byHistory {
		return nil
	}
	l, err := e.readList(ctx, r.from.Seq, &r.from.Spec)
	switch {
	case errors.Is(err, store.ErrExpired):
		*r = resume{resync: Expired}
		return nil
	case err != nil:
		return err
	}
	r.ids, r.included, r.loaded = idsOf(nil, l.visible()), l.includedIDs(), true
	return nil
}

// canResume reports whether the holder can be resumed with what is known. If not,
// what it held must be read.
func (e *Engine) canResume(r *resume, o *opening, now result, at view) bool {
	if !r.byHistory {
		return r.from == nil || r.loaded
	}
	h, scope := e.history, o.query.Spec().Scope
	r.byHistory = h != nil && h.since <= r.from.Seq && (scope.End() == 0 || h.fewMatches(&scope, r.from.Seq))
	if !r.byHistory || !o.query.Ordered() {
		return r.byHistory
	}
	was := now.clone().(*list)
	for _, t := range e.missed(r, o) {
		was.apply(&touch{&store.Change{Before: t.change.After, After: t.change.Before}, t.after, t.before})
	}
	r.byHistory, r.ids = false, idsOf(nil, was.visible())
	var err error
	r.included, err = was.resumeIDs(h, r.from.Seq, o.rules, at)
	r.loaded = err == nil && !was.needsFill()
	return r.loaded
}

// resumeIDs returns which records the list's records included after the commit seq.
// The list and the rules must be as they were then; at reads the current state.
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

// missed returns, from the history, what happened to the opening's records, as the
// holder's rule sees them.
func (e *Engine) missed(r *resume, o *opening) []touch {
	scope := o.query.Spec().Scope
	touches := e.history.missed(scope.Model, &scope.Where, r.from.Seq)
	for i := range touches {
		t := &touches[i]
		t.before = t.before && o.rules.allow(0, t.change.Before)
		t.after = t.after && o.rules.allow(0, t.change.After)
	}
	return slices.DeleteFunc(touches, func(t touch) bool { return !t.before && !t.after })
}

// A sharedResume is the answer to a resume. It serves other clients that resume the
// same group from the same position, until the next commit.
type sharedResume struct {
	origin      *Resume
	loaded      bool // ids and includedIDs are what the clients held
	ids         []record.ID
	includedIDs includedIDs
	delta       []Delta
	included    []Included
}

// serves reports whether the answer is also the one to r.
func (s *sharedResume) serves(r *resume) bool {
	return s.origin.Seq == r.from.Seq && s.loaded == r.loaded && s.origin.Spec.nestsAs(&r.from.Spec) &&
		slices.Equal(s.ids, r.ids) && maps.EqualFunc(s.includedIDs, r.included, slices.Equal)
}

const maxSharedResumes = 64

// shareResume sets the deltas of a resumed holder of the group, and whether others
// get the same slices.
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
		known = sharedResume{origin: from.from, loaded: from.loaded, ids: from.ids, includedIDs: from.included}
		known.delta, known.included = find()
		e.sharedResumes[g] = known
	}
	to.Deltas, to.Included, to.Shared = known.delta, known.included, true
}
