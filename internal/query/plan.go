package query

import (
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

func isID(f *record.Field) bool { return f.Name == "id" }

func indexed(f *record.Field) bool { return f.Index || f.Unique || isID(f) }

// bounds returns bounds on the values of f that satisfy c; nil is unbounded.
func (c *Condition) bounds(f *record.Field) (lo, hi *store.Bound) {
	if c.op == opAnd {
		return bounds(f, c.args())
	}
	if c.field != f {
		return nil, nil
	}
	notNull := &store.Bound{Open: true}
	switch c.op {
	case opIs, opIn:
		if values := c.values(); len(values) > 0 {
			return &store.Bound{Value: values[0]}, &store.Bound{Value: values[len(values)-1]}
		}
	case opGt, opGte:
		return &store.Bound{Value: c.value, Open: c.op == opGt}, nil
	case opLt, opLte:
		return notNull, &store.Bound{Value: c.value, Open: c.op == opLt}
	case opExists:
		return notNull, nil
	}
	return nil, nil
}

// bounds returns bounds on the values of f that satisfy all of the conditions.
func bounds(f *record.Field, all []Condition) (lo, hi *store.Bound) {
	for i := range all {
		l, h := all[i].bounds(f)
		lo, hi = inner(lo, l, 1), inner(hi, h, -1)
	}
	return lo, hi
}

// inner returns the narrower of two lower bounds (sign 1) or of two upper bounds
// (-1).
func inner(a, b *store.Bound, sign int) *store.Bound {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	order := sign * a.Value.Compare(b.Value)
	if order > 0 || order == 0 && a.Open {
		return a
	}
	return b
}

// covers reports whether the index of f has all records from lo on.
func covers(f *record.Field, lo *store.Bound) bool {
	return !f.Sparse || lo != nil && (f.Indexes(lo.Value) || lo.Open && lo.Value.Compare(f.Zero()) == 0)
}

// A plan is a way to read a scope's records. It may read others as well.
type plan struct {
	name     string
	ids      []record.ID
	ranges   []store.Range
	overlaps bool // a record may occur in two ranges
	sorted   bool // records come in the scope's order
	best     bool // no other plan can be much better
}

// sameIndex reports whether both plans read one range of the same index.
func (p *plan) sameIndex(other *plan) bool {
	return len(p.ranges) == 1 && p.ranges[0].Index == other.ranges[0].Index
}

// plans returns the ways to read the first n of the scope's records that come after
// the record after; 0 is all, and nil is from the start.
func (s *Scope) plans(after *record.Image, n int) []plan {
	filter, filtered := s.byFilter()
	if filtered && (filter.best || n == 0) {
		return []plan{filter}
	}
	walk, walkable := s.byOrder(after)
	walkable = walkable && (n > 0 || len(s.Order) == 0)
	switch {
	case filtered && walkable && !filter.sameIndex(&walk):
		return []plan{filter, walk}
	case walkable:
		return []plan{walk}
	case filtered:
		return []plan{filter}
	}
	return []plan{{name: "scan", ranges: []store.Range{{}}}}
}

// byFilter returns a plan that looks up the values in the conditions.
func (s *Scope) byFilter() (plan, bool) {
	points, uncovered := s.Where.Terms(TermFilter{fields: indexed, Points: true})
	if uncovered != nil {
		return s.byRange()
	}
	p := plan{name: "filter", best: true}
	seen := map[Term]bool{}
	for _, at := range points {
		if seen[at] {
			continue
		}
		seen[at] = true
		p.overlaps = p.overlaps || at.Field != points[0].Field
		p.best = p.best && (isID(at.Field) || at.Field.Unique && !at.Value.IsNull())
		if isID(at.Field) {
			p.ids = append(p.ids, record.ID(at.Value.Text()))
			continue
		}
		bound := &store.Bound{Value: at.Value}
		p.ranges = append(p.ranges, store.Range{Index: at.Field, Min: bound, Max: bound})
	}
	if len(p.ranges) == 1 && len(p.ids) == 0 && s.orderedByID() {
		p.sorted, p.best = true, true
		p.ranges[0].Reverse = len(s.Order) > 0 && s.Order[0].Desc
	}
	return p, true
}

// byRange returns a plan that reads the part of an index where the conditions can
// be true.
func (s *Scope) byRange() (plan, bool) {
	for f := range s.Where.Fields {
		if !indexed(f) || isID(f) {
			continue
		}
		if lo, hi := s.Where.bounds(f); (lo != nil || hi != nil) && covers(f, lo) {
			return plan{name: "range", ranges: []store.Range{{Index: f, Min: lo, Max: hi}}}, true
		}
	}
	return plan{}, false
}

// Unindexed returns a field whose index would let the store read fewer records for the scope. It
// is nil if an index finds those of the conditions already, or none can.
func (s *Scope) Unindexed() *record.Field {
	if _, filtered := s.byFilter(); filtered {
		return nil
	}
	var bounded *record.Field
	for f := range s.Where.Fields {
		if f.Kind >= record.List {
			continue
		}
		with := func(g *record.Field) bool { return g == f || indexed(g) }
		if _, uncovered := s.Where.Terms(TermFilter{fields: with, Points: true}); uncovered == nil {
			return f
		}
		if lo, hi := s.Where.bounds(f); bounded == nil && (lo != nil || hi != nil) && covers(f, lo) {
			bounded = f
		}
	}
	if bounded != nil || s.End() == 0 || len(s.Order) != 1 || indexed(s.Order[0].Field) || s.Order[0].Field.Kind >= record.List {
		return bounded
	}
	return s.Order[0].Field
}

func (s *Scope) orderedByID() bool {
	return len(s.Order) == 0 || isID(s.Order[0].Field)
}

// byOrder returns a plan that reads the records in the scope's order, starting at
// after.
func (s *Scope) byOrder(after *record.Image) (plan, bool) {
	if !s.orderedByID() && (len(s.Order) > 1 || !indexed(s.Order[0].Field)) {
		return plan{}, false
	}
	var r store.Range
	f := s.Model.Field("id")
	if len(s.Order) > 0 {
		f, r.Reverse = s.Order[0].Field, s.Order[0].Desc
	}
	if !isID(f) {
		r.Index = f
	}
	r.Min, r.Max = s.Where.bounds(f)
	if after != nil {
		from := &store.Bound{Value: after.Value(f)}
		if r.Reverse {
			r.Max = inner(r.Max, from, -1)
		} else {
			r.Min = inner(r.Min, from, 1)
		}
	}
	if !covers(f, r.Min) {
		return plan{}, false
	}
	return plan{name: "order", ranges: []store.Range{r}, sorted: true}, true
}
