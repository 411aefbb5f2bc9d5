package cursor

import (
	"hash/maphash"
	"maps"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A result is what holders that see the same have read of a query: a list, an
// aggregate or an idSet. It follows commits from then on. It is not safe for
// concurrent use.
type result interface {
	fill(at view, own rules) error
	needsFill() bool // it must be filled again
	readInParts(part int)
	asksRule(t *touch) bool
	apply(t *touch)

	clone() result
	hash() uint64        // equal for results that hold the same
	unify(r result) bool // if it holds what r does, it keeps what both know and returns true

	len() int // number of remembered records, -1 if none are needed
}

// A commitView is one or more commits that results follow: their changes, and the
// state after them.
type commitView struct {
	seq     uint64
	changes []store.Change
	at      view
	cached  *cachedRead // of the records that are read; nil if there is none
	preview *preview    // nil if the commit was made
}

// fail ends a group that cannot follow the commit, or fails the preview.
func (v *commitView) fail(effects []Effect, g *group, err error) []Effect {
	if v.preview == nil {
		return g.query.engine.failGroup(effects, g, err)
	}
	v.preview.err = err
	return effects
}

// change returns the last change of a record, or nil if there is none.
func (v *commitView) change(of *record.Model, id record.ID) *store.Change {
	for i := len(v.changes) - 1; i >= 0; i-- {
		if c := &v.changes[i]; c.ID == id && c.Model == of {
			return c
		}
	}
	return nil
}

// newResult returns an empty result of a spec.
func newResult(spec *Spec, ruled bool, spare int) result {
	if spec.valued() {
		return newAggregate(spec, ruled)
	}
	return newList(spec, spare)
}

// fill reads everything that a new result must know.
func fill(r result, now *commitView, own rules) error {
	if err := r.fill(now.at, own); err != nil {
		return err
	}
	return loadIncludes(r, now, own)
}

// loadIncludes brings the included records of a list, if r is one, up to date.
func loadIncludes(r result, now *commitView, own rules) error {
	if l, ok := r.(*list); ok {
		return l.loadIncludes(now, own)
	}
	return nil
}

// An idSet holds the ids of the records that a rule allows, if there is no order.
type idSet map[record.ID]struct{}

func newIDSet(images []*record.Image) idSet {
	s := make(idSet, len(images))
	for _, img := range images {
		s[img.ID] = struct{}{}
	}
	return s
}

func (idSet) fill(view, rules) error { return nil }

func (idSet) needsFill() bool { return false }

func (idSet) readInParts(int) {}

func (idSet) asksRule(t *touch) bool { return t.after }

// apply follows the change of one record. It sets before to whether the record was in
// the set.
func (s idSet) apply(t *touch) {
	id := t.change.ID
	if _, t.before = s[id]; t.after {
		s[id] = struct{}{}
	} else {
		delete(s, id)
	}
}

func (s idSet) len() int { return len(s) }

func (s idSet) clone() result { return maps.Clone(s) }

func (s idSet) hash() (sum uint64) {
	for id := range s {
		sum += hashID(id)
	}
	return sum
}

func (s idSet) unify(r result) bool { return maps.Equal(s, r.(idSet)) }

var seed = maphash.MakeSeed()

func hashID(id record.ID) uint64 { return maphash.String(seed, string(id)) }
