package cursor

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/towerkit/tower/internal/store"
)

// A selector is what all queries with equal conditions share: one test of each
// change, however many they are.
type selector struct {
	index   *index
	where   []Condition // all have to hold
	queries []*Query
	sole    [1]*Query        // as most have one
	shared  map[share]*Query // by what they differ in; nil: they are few
	filed   filing           // the first of its filings, in the order of its niches
	round   uint64           // of the index, when it last met this selector
	touches *[]touch         // what the commit at hand did to its records; nil: nothing
}

// A share is what holders of the same conditions have to have in common, too, to
// share a query.
type share struct {
	form *form
	tag  string
}

func (q *Query) share() share { return share{q.form, q.tag} }

// condition returns what has to hold.
func (s *selector) condition() Condition { return conjunction(s.where) }

// holds reports whether the conditions hold for the record, nil for none.
func (s *selector) holds(img *store.Image) bool {
	if img == nil {
		return false
	}
	for i := range s.where {
		if !s.where[i].match(img) {
			return false
		}
	}
	return true
}

// query returns the one of the selector's queries that is shared, nil for none.
func (s *selector) query(by share) *Query {
	if s.shared != nil {
		return s.shared[by]
	}
	for _, q := range s.queries {
		if q.share() == by {
			return q
		}
	}
	return nil
}

func (s *selector) add(q *Query) {
	q.at = int32(len(s.queries))
	s.queries = append(s.queries, q)
	switch {
	case s.shared != nil:
		s.shared[q.share()] = q
	case len(s.queries) > few:
		s.shared = map[share]*Query{}
		for _, q := range s.queries {
			s.shared[q.share()] = q
		}
	}
}

func (s *selector) remove(q *Query) {
	last := len(s.queries) - 1
	s.queries[q.at] = s.queries[last]
	s.queries[q.at].at = q.at
	s.queries[last] = nil
	s.queries = s.queries[:last]
	delete(s.shared, q.share())
}

// touch notes a touch, and reports whether it is the commit's first.
func (s *selector) touch(t touch) (first bool) {
	if first = s.touches == nil; first {
		s.touches = touches.Get().(*[]touch)
	}
	*s.touches = append(*s.touches, t)
	return first
}

// forget lets go of a commit's touches.
func (s *selector) forget() {
	clear(*s.touches)
	*s.touches = (*s.touches)[:0]
	touches.Put(s.touches)
	s.touches = nil
}

var touches = sync.Pool{New: func() any { return new([]touch) }}

// A touch is a change of a record for which conditions hold before or after it.
type touch struct {
	change        *store.Change
	before, after bool
}

func (t *touch) op() DeltaOp {
	switch {
	case !t.before:
		return Enter
	case !t.after:
		return Leave
	default:
		return Change
	}
}

// An index finds a model's selectors that a change may touch, by the values that
// the record has and had. Conditions that name neither a value nor a range are
// in a list that every change goes through.
type index struct {
	selectors map[digest]*selector
	forms     map[string]*form
	tables    []*table
	residual  *filing
	round     uint64
}

// A table finds selectors by one field's value. Those for values that have one
// hash are together: the conditions are tested anyway.
type table struct {
	field   *store.Field
	drawers map[uint64]*filing
	spans   *stretch
}

func newIndex() *index {
	return &index{selectors: map[digest]*selector{}, forms: map[string]*form{}}
}

// add returns the selector of the conditions, which are canonical.
func (x *index) add(where Condition) *selector {
	key := where.digest()
	if s := x.selectors[key]; s != nil {
		return s
	}
	s := &selector{index: x, where: where.conjuncts()}
	s.queries = s.sole[:0]
	x.selectors[key] = s
	f := &s.filed
	for i, n := range s.niches() {
		if i > 0 {
			f.also = &filing{}
			f = f.also
		}
		f.selector = s
		x.put(&n, f.before(x.drawer(&n)))
	}
	return s
}

// remove takes the selector out of the index, and the tables that it leaves empty.
func (x *index) remove(s *selector) {
	where := s.condition()
	delete(x.selectors, where.digest())
	f := &s.filed
	for _, n := range s.niches() {
		x.put(&n, f.out(x.drawer(&n)))
		f = f.also
	}
	x.tables = slices.DeleteFunc(x.tables, func(t *table) bool { return len(t.drawers) == 0 && t.spans == nil })
}

// niches returns where the selector is filed; the zero niche is the residual.
func (s *selector) niches() []niche {
	where := s.condition()
	niches, vague := where.niches()
	if vague != nil {
		return []niche{{}}
	}
	return niches
}

// table returns the table of a field, and makes it when there is none.
func (x *index) table(f *store.Field) *table {
	for _, t := range x.tables {
		if t.field == f {
			return t
		}
	}
	t := &table{field: f, drawers: map[uint64]*filing{}}
	x.tables = append(x.tables, t)
	return t
}

func (x *index) drawer(n *niche) *filing {
	switch {
	case n.field == nil:
		return x.residual
	case n.span != nil:
		return x.table(n.field).spans.drawer(*n.span)
	default:
		return x.table(n.field).drawers[hash(n.value)]
	}
}

// put makes d, which may be empty, the drawer of a niche.
func (x *index) put(n *niche, d *filing) {
	if n.field == nil {
		x.residual = d
		return
	}
	t := x.table(n.field)
	switch {
	case n.span != nil && d == nil:
		t.spans = t.spans.without(*n.span)
	case n.span != nil:
		var at *stretch
		t.spans, at = t.spans.with(*n.span)
		at.filed = d
	case d == nil:
		delete(t.drawers, hash(n.value))
	default:
		t.drawers[hash(n.value)] = d
	}
}

func hash(v store.Value) uint64 { return maphash.Comparable(seed, v) }

// A filing is one place at which a selector is found. Those of a niche are linked,
// in no order; the first is its drawer, nil an empty one.
type filing struct {
	selector   *selector
	prev, next *filing
	also       *filing // the next of the same selector
}

// before puts the filing into a drawer, and returns that.
func (f *filing) before(drawer *filing) *filing {
	if f.next = drawer; drawer != nil {
		drawer.prev = f
	}
	return f
}

// out takes the filing out of its drawer, and returns that.
func (f *filing) out(drawer *filing) *filing {
	if f.next != nil {
		f.next.prev = f.prev
	}
	if f.prev == nil {
		return f.next
	}
	f.prev.next = f.next
	return drawer
}

// match appends to touched the selectors that the change is the first to touch,
// and notes the change with all that it touches.
func (x *index) match(c *store.Change, touched []*selector) []*selector {
	x.round++
	for _, t := range x.tables {
		switch {
		case t.field.Kind == store.List:
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
	return x.meet(x.residual, c, touched)
}

func (x *index) matchValue(t *table, v store.Value, c *store.Change, touched []*selector) []*selector {
	return x.pierce(t.spans, v, c, x.meet(t.drawers[hash(v)], c, touched))
}

// pierce looks through the spans that hold v.
func (x *index) pierce(n *stretch, v store.Value, c *store.Change, touched []*selector) []*selector {
	for n != nil && n.reach.above(v) {
		touched = x.pierce(n.left, v, c, touched)
		if n.lo.above(v) {
			break // and so do those to the right
		}
		if n.hi.above(v) {
			touched = x.meet(n.filed, c, touched)
		}
		n = n.right
	}
	return touched
}

// matchList looks up the elements of a list.
func (x *index) matchList(t *table, c *store.Change, touched []*selector) []*selector {
	for _, img := range [...]*store.Image{c.Before, c.After} {
		if img != nil {
			img.Each(t.field, func(v store.Value) bool {
				touched = x.meet(t.drawers[hash(v)], c, touched)
				return true
			})
		}
	}
	return touched
}

// meet tests the change against the selectors in a drawer.
func (x *index) meet(drawer *filing, c *store.Change, touched []*selector) []*selector {
	for f := drawer; f != nil; f = f.next {
		s := f.selector
		if s.round == x.round {
			continue
		}
		s.round = x.round
		t := touch{change: c, before: s.holds(c.Before), after: s.holds(c.After)}
		if (t.before || t.after) && s.touch(t) {
			touched = append(touched, s)
		}
	}
	return touched
}
