package cursor

import (
	"hash/maphash"
	"maps"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A reading is what has been read of a query for those who see the same: a list,
// a tally or a sight. It follows the commits from then on, and is not for
// concurrent use.
type reading interface {
	fill(at view, own rules) error
	short() bool // it has to be filled again
	asks(t *touch) bool
	apply(t *touch)

	clone() reading
	sum() uint64           // the same for those that hold the same
	absorb(r reading) bool // it holds what r does, and becomes what they know in common

	len() int // how many records it remembers, -1 where it needs none
}

// A moment is a commit, or several, that readings follow: what they changed, and
// the state after them.
type moment struct {
	seq     uint64
	changes []store.Change
	at      view
	page    *page // of what is read; nil: there is none
}

// change returns the last change of a record, nil if there is none.
func (m *moment) change(of *record.Model, id record.ID) *store.Change {
	for i := len(m.changes) - 1; i >= 0; i-- {
		if c := &m.changes[i]; c.ID == id && c.Model == of {
			return c
		}
	}
	return nil
}

// fill reads all that a new reading is to know at a moment.
func fill(r reading, now *moment, own rules) error {
	if err := r.fill(now.at, own); err != nil {
		return err
	}
	return accompany(r, now, own)
}

// accompany brings the company of a list, if it has one, up to a moment.
func accompany(r reading, now *moment, own rules) error {
	if l, ok := r.(*list); ok {
		return l.accompany(now, own)
	}
	return nil
}

// A sight is which records a rule has let its holder see, where they have no
// order.
type sight map[record.ID]struct{}

func newSight(images []*record.Image) sight {
	s := make(sight, len(images))
	for _, img := range images {
		s[img.ID] = struct{}{}
	}
	return s
}

func (sight) fill(view, rules) error { return nil }

func (sight) short() bool { return false }

func (sight) asks(t *touch) bool { return t.after }

// apply follows one change of a record, and notes whether it was in sight.
func (s sight) apply(t *touch) {
	id := t.change.ID
	if _, t.before = s[id]; t.after {
		s[id] = struct{}{}
	} else {
		delete(s, id)
	}
}

func (s sight) len() int { return len(s) }

func (s sight) clone() reading { return maps.Clone(s) }

func (s sight) sum() (sum uint64) {
	for id := range s {
		sum += idSum(id)
	}
	return sum
}

func (s sight) absorb(r reading) bool { return maps.Equal(s, r.(sight)) }

var seed = maphash.MakeSeed()

func idSum(id record.ID) uint64 { return maphash.String(seed, string(id)) }
