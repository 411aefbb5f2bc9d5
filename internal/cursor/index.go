package cursor

import (
	"hash/maphash"
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An index finds the selectors of a model that a change may touch, by the values that
// the record has and had. Selectors without terms are in a residual list, and every
// change is tested against them.
type index struct {
	selectors map[query.Digest]*selector
	specKeys  map[string]*specKey
	tables    []*table
	residual  *entry
	round     uint64
}

// A table finds selectors by the value of one field. Values with the same hash share
// a bucket, because the conditions are tested anyway.
type table struct {
	field     *record.Field
	buckets   map[uint64]*entry
	intervals *intervalNode
}

func newIndex() *index {
	return &index{selectors: map[query.Digest]*selector{}, specKeys: map[string]*specKey{}}
}

// add returns the selector of conditions, which must be canonical.
func (x *index) add(where query.Condition) *selector {
	key := where.Digest()
	if s := x.selectors[key]; s != nil {
		return s
	}
	s := newSelector(where.Conjuncts())
	s.index = x
	x.selectors[key] = s
	at := &s.entry
	for i, term := range s.terms() {
		if i > 0 {
			at.nextTerm = &entry{}
			at = at.nextTerm
		}
		at.selector = s
		x.put(&term, at.pushOnto(x.bucketOf(&term)))
	}
	return s
}

// remove removes a selector from the index, and the tables that this empties.
func (x *index) remove(s *selector) {
	where := s.condition()
	delete(x.selectors, where.Digest())
	at := &s.entry
	for _, term := range s.terms() {
		x.put(&term, at.removeFrom(x.bucketOf(&term)))
		at = at.nextTerm
	}
	x.tables = slices.DeleteFunc(x.tables, func(t *table) bool { return len(t.buckets) == 0 && t.intervals == nil })
}

// table returns the table of a field. It creates the table if there is none.
func (x *index) table(f *record.Field) *table {
	for _, t := range x.tables {
		if t.field == f {
			return t
		}
	}
	t := &table{field: f, buckets: map[uint64]*entry{}}
	x.tables = append(x.tables, t)
	return t
}

func (x *index) bucketOf(term *query.Term) *entry {
	switch {
	case term.Field == nil:
		return x.residual
	case term.Interval != nil:
		return x.table(term.Field).intervals.find(*term.Interval)
	default:
		return x.table(term.Field).buckets[hash(term.Value)]
	}
}

// put sets the bucket of a term; an empty bucket is removed.
func (x *index) put(term *query.Term, bucket *entry) {
	if term.Field == nil {
		x.residual = bucket
		return
	}
	t := x.table(term.Field)
	switch {
	case term.Interval != nil && bucket == nil:
		t.intervals = t.intervals.without(*term.Interval)
	case term.Interval != nil:
		var at *intervalNode
		t.intervals, at = t.intervals.with(*term.Interval)
		at.bucket = bucket
	case bucket == nil:
		delete(t.buckets, hash(term.Value))
	default:
		t.buckets[hash(term.Value)] = bucket
	}
}

func hash(v record.Value) uint64 { return maphash.Comparable(seed, v) }

// match adds the change to the touches of every selector that it touches. It appends
// to touched the selectors that had none before.
func (x *index) match(c *store.Change, touched []*selector) []*selector {
	x.round++
	for _, t := range x.tables {
		switch {
		case t.field.Kind == record.List:
			touched = x.matchList(t, c, touched)
		case c.Before == nil:
			touched = x.matchValue(t, c.After.Value(t.field), c, touched)
		case c.After == nil:
			touched = x.matchValue(t, c.Before.Value(t.field), c, touched)
		default:
			before, after := c.Before.Value(t.field), c.After.Value(t.field)
			touched = x.matchValue(t, before, c, touched)
			if before != after {
				touched = x.matchValue(t, after, c, touched)
			}
		}
	}
	return x.matchBucket(x.residual, c, touched)
}

func (x *index) matchValue(t *table, v record.Value, c *store.Change, touched []*selector) []*selector {
	return x.stab(t.intervals, v, c, x.matchBucket(t.buckets[hash(v)], c, touched))
}

// stab matches the selectors whose intervals contain v.
func (x *index) stab(n *intervalNode, v record.Value, c *store.Change, touched []*selector) []*selector {
	for n != nil && n.reach.Above(v) {
		touched = x.stab(n.left, v, c, touched)
		if n.Lo.Above(v) {
			break // so are those to the right
		}
		if n.Hi.Above(v) {
			touched = x.matchBucket(n.bucket, c, touched)
		}
		n = n.right
	}
	return touched
}

// matchList looks up the elements of a list.
func (x *index) matchList(t *table, c *store.Change, touched []*selector) []*selector {
	for _, img := range [...]*record.Image{c.Before, c.After} {
		if img != nil {
			img.Each(t.field, func(v record.Value) bool {
				touched = x.matchBucket(t.buckets[hash(v)], c, touched)
				return true
			})
		}
	}
	return touched
}

// matchBucket tests the change against the selectors in a bucket.
func (x *index) matchBucket(bucket *entry, c *store.Change, touched []*selector) []*selector {
	for at := bucket; at != nil; at = at.next {
		s := at.selector
		if s.round == x.round {
			continue
		}
		s.round = x.round
		t := touch{change: c, before: s.matches(c.Before), after: s.matches(c.After)}
		if (t.before || t.after) && s.touch(t) {
			touched = append(touched, s)
		}
	}
	return touched
}
