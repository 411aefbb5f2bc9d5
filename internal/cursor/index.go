package cursor

import (
	"hash/maphash"
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An index finds a model's selectors that a change may touch, by the values that
// the record has and had. Conditions that name neither a value nor a range are
// in a list that every change goes through.
type index struct {
	selectors map[query.Digest]*selector
	specKeys  map[string]*specKey
	tables    []*table
	residual  *entry
	round     uint64
}

// A table finds selectors by one field's value. Those for values that have one
// hash are together: the conditions are tested anyway.
type table struct {
	field     *record.Field
	buckets   map[uint64]*entry
	intervals *intervalNode
}

func newIndex() *index {
	return &index{selectors: map[query.Digest]*selector{}, specKeys: map[string]*specKey{}}
}

// add returns the selector of the conditions, which are canonical.
func (x *index) add(where query.Condition) *selector {
	key := where.Digest()
	if s := x.selectors[key]; s != nil {
		return s
	}
	s := newSelector(where.Conjuncts())
	s.index = x
	x.selectors[key] = s
	f := &s.entry
	for i, n := range s.terms() {
		if i > 0 {
			f.nextTerm = &entry{}
			f = f.nextTerm
		}
		f.selector = s
		x.put(&n, f.pushOnto(x.bucketOf(&n)))
	}
	return s
}

// remove takes the selector out of the index, and the tables that it leaves empty.
func (x *index) remove(s *selector) {
	where := s.condition()
	delete(x.selectors, where.Digest())
	f := &s.entry
	for _, n := range s.terms() {
		x.put(&n, f.removeFrom(x.bucketOf(&n)))
		f = f.nextTerm
	}
	x.tables = slices.DeleteFunc(x.tables, func(t *table) bool { return len(t.buckets) == 0 && t.intervals == nil })
}

// table returns the table of a field, and makes it when there is none.
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

func (x *index) bucketOf(n *query.Term) *entry {
	switch {
	case n.Field == nil:
		return x.residual
	case n.Interval != nil:
		return x.table(n.Field).intervals.find(*n.Interval)
	default:
		return x.table(n.Field).buckets[hash(n.Value)]
	}
}

// put makes d, which may be empty, the drawer of a niche.
func (x *index) put(n *query.Term, d *entry) {
	if n.Field == nil {
		x.residual = d
		return
	}
	t := x.table(n.Field)
	switch {
	case n.Interval != nil && d == nil:
		t.intervals = t.intervals.without(*n.Interval)
	case n.Interval != nil:
		var at *intervalNode
		t.intervals, at = t.intervals.with(*n.Interval)
		at.filed = d
	case d == nil:
		delete(t.buckets, hash(n.Value))
	default:
		t.buckets[hash(n.Value)] = d
	}
}

func hash(v record.Value) uint64 { return maphash.Comparable(seed, v) }

// match appends to touched the selectors that the change is the first to touch,
// and notes the change with all that it touches.
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

// stab looks through the spans that hold v.
func (x *index) stab(n *intervalNode, v record.Value, c *store.Change, touched []*selector) []*selector {
	for n != nil && n.reach.Above(v) {
		touched = x.stab(n.left, v, c, touched)
		if n.Lo.Above(v) {
			break // and so do those to the right
		}
		if n.Hi.Above(v) {
			touched = x.matchBucket(n.filed, c, touched)
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

// matchBucket tests the change against the selectors in a drawer.
func (x *index) matchBucket(drawer *entry, c *store.Change, touched []*selector) []*selector {
	for f := drawer; f != nil; f = f.next {
		s := f.selector
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
