package cursor

import (
	"github.com/towerkit/tower/internal/store"
)

// A selector is what all queries with equal conditions share: one test of each
// change, however many they are.
type selector struct {
	key     string
	where   Condition
	queries []*Query
	filings []*filing
	round   uint64  // of the index, when it last met this selector
	touches []touch // what the commit at hand did to its records
}

func (s *selector) add(q *Query) {
	q.at = len(s.queries)
	s.queries = append(s.queries, q)
}

func (s *selector) remove(q *Query) {
	last := len(s.queries) - 1
	s.queries[q.at] = s.queries[last]
	s.queries[q.at].at = q.at
	s.queries[last] = nil
	s.queries = s.queries[:last]
}

// forget lets go of a commit's touches.
func (s *selector) forget() {
	clear(s.touches)
	if s.touches = s.touches[:0]; cap(s.touches) > few {
		s.touches = nil
	}
}

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
	selectors map[string]*selector
	tables    []*table
	residual  drawer
	round     uint64
}

// A table finds selectors by one field's value.
type table struct {
	field   *store.Field
	drawers map[store.Value]drawer
	spans   *stretch
}

// A drawer is where selectors are filed, in no order.
type drawer []*filing

// A filing is one place at which a selector is found.
type filing struct {
	selector *selector
	table    *table   // nil: the residual
	stretch  *stretch // nil: by value
	value    store.Value
	at       int // in its drawer
}

func newIndex() *index { return &index{selectors: map[string]*selector{}} }

// add returns the selector of the conditions, which are canonical.
func (x *index) add(where Condition) *selector {
	key := string(where.appendKey(nil))
	if s := x.selectors[key]; s != nil {
		return s
	}
	s := &selector{key: key, where: where}
	x.selectors[s.key] = s
	niches, why := s.where.niches()
	if why != "" {
		x.file(&filing{selector: s})
	}
	for _, n := range niches {
		f := &filing{selector: s, table: x.table(n.field), value: n.value}
		if n.span != nil {
			f.table.spans, f.stretch = f.table.spans.with(*n.span)
		}
		x.file(f)
	}
	return s
}

// table returns the table of a field, and makes it when there is none.
func (x *index) table(f *store.Field) *table {
	for _, t := range x.tables {
		if t.field == f {
			return t
		}
	}
	t := &table{field: f, drawers: map[store.Value]drawer{}}
	x.tables = append(x.tables, t)
	return t
}

func (x *index) file(f *filing) {
	d := x.drawer(f)
	f.at = len(d)
	x.put(f, append(d, f))
	f.selector.filings = append(f.selector.filings, f)
}

func (x *index) drawer(f *filing) drawer {
	switch {
	case f.table == nil:
		return x.residual
	case f.stretch != nil:
		return f.stretch.filed
	default:
		return f.table.drawers[f.value]
	}
}

func (x *index) put(f *filing, d drawer) {
	switch {
	case f.table == nil:
		x.residual = d
	case f.stretch != nil && len(d) == 0:
		f.table.spans = f.table.spans.without(f.stretch.span)
	case f.stretch != nil:
		f.stretch.filed = d
	case len(d) == 0:
		delete(f.table.drawers, f.value)
	default:
		f.table.drawers[f.value] = d
	}
}

// remove takes the selector out of the index, and the tables that it leaves empty.
func (x *index) remove(s *selector) {
	delete(x.selectors, s.key)
	for _, f := range s.filings {
		d := x.drawer(f)
		last := len(d) - 1
		d[f.at] = d[last]
		d[f.at].at = f.at
		d[last] = nil
		x.put(f, d[:last])
	}
	kept := x.tables[:0]
	for _, t := range x.tables {
		if len(t.drawers) > 0 || t.spans != nil {
			kept = append(kept, t)
		}
	}
	clear(x.tables[len(kept):])
	x.tables = kept
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
	return x.pierce(t.spans, v, c, x.meet(t.drawers[v], c, touched))
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
				touched = x.meet(t.drawers[v], c, touched)
				return true
			})
		}
	}
	return touched
}

// meet tests the change against the selectors in a drawer.
func (x *index) meet(d drawer, c *store.Change, touched []*selector) []*selector {
	for _, f := range d {
		s := f.selector
		if s.round == x.round {
			continue
		}
		s.round = x.round
		t := touch{change: c}
		t.before = c.Before != nil && s.where.match(c.Before)
		t.after = c.After != nil && s.where.match(c.After)
		if !t.before && !t.after {
			continue
		}
		if len(s.touches) == 0 {
			touched = append(touched, s)
		}
		s.touches = append(s.touches, t)
	}
	return touched
}
