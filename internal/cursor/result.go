package cursor

import (
	"hash/maphash"
	"maps"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A result is what has been read of a query for those who see the same: a list,
// a tally or a sight. It follows the commits from then on, and is not for
// concurrent use.
type result interface {
	fill(at view, own rules) error
	needsFill() bool // it has to be filled again
	asksRule(t *touch) bool
	apply(t *touch)

	clone() result
	hash() uint64        // the same for those that hold the same
	unify(r result) bool // it holds what r does, and becomes what they know in common

	len() int // how many records it remembers, -1 where it needs none
}

// A commitView is a commit, or several, that readings follow: what they changed, and
// the state after them.
type commitView struct {
	seq     uint64
	changes []store.Change
	at      view
	cached  *cachedRead // of what is read; nil: there is none
	preview *preview    // nil: the commit was made
}

// fail ends a group that cannot follow the commit, or the preview of the commit.
func (m *commitView) fail(effects []Effect, g *group, err error) []Effect {
	if m.preview == nil {
		return g.query.engine.failGroup(effects, g, err)
	}
	m.preview.err = err
	return effects
}

// change returns the last change of a record, nil if there is none.
func (m *commitView) change(of *record.Model, id record.ID) *store.Change {
	for i := len(m.changes) - 1; i >= 0; i-- {
		if c := &m.changes[i]; c.ID == id && c.Model == of {
			return c
		}
	}
	return nil
}

// newResult returns a result of a spec that is yet to be filled.
func newResult(spec *Spec, ruled bool, spare int) result {
	if spec.valued() {
		return newAggregate(spec, ruled)
	}
	return newList(spec, spare)
}

// fill reads all that a new reading is to know at a moment.
func fill(r result, now *commitView, own rules) error {
	if err := r.fill(now.at, own); err != nil {
		return err
	}
	return loadIncludes(r, now, own)
}

// loadIncludes brings the company of a list, if it has one, up to a moment.
func loadIncludes(r result, now *commitView, own rules) error {
	if l, ok := r.(*list); ok {
		return l.loadIncludes(now, own)
	}
	return nil
}

// A idSet is which records a rule has let its holder see, where they have no
// order.
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

func (idSet) asksRule(t *touch) bool { return t.after }

// apply follows one change of a record, and notes whether it was in sight.
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
