package cursor

import (
	"errors"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A point is one value of one field.
type point struct {
	field *record.Field
	value record.Value
}

// points returns spots of which every record that c holds for is at one: c's
// equalities, those of the and's most selective argument, those of every
// argument of an or. They are on fields that usable allows. It reports false
// where c gives none, as a range does.
func (c *Condition) points(usable func(*record.Field) bool) ([]point, bool) {
	switch c.op {
	case opIs, opIn:
		return c.ownPoints(), c.field.Kind < record.List && usable(c.field)
	case opContains:
		return c.ownPoints(), c.field.Kind == record.List && usable(c.field)
	case opOr:
		var union []point
		for _, arg := range c.args() {
			some, ok := arg.points(usable)
			if !ok {
				return nil, false
			}
			union = append(union, some...)
		}
		return union, true
	case opAnd:
		var best []point
		found := false
		for _, arg := range c.args() {
			some, ok := arg.points(usable)
			if ok && (!found || estimatePoints(some) < estimatePoints(best)) {
				best, found = some, true
			}
		}
		return best, found
	}
	return nil, false
}

func (c *Condition) ownPoints() []point {
	values := c.values()
	spots := make([]point, len(values))
	for i, v := range values {
		spots[i] = point{c.field, v}
	}
	return spots
}

// estimatePoints guesses how many records are at the spots, to compare.
func estimatePoints(spots []point) int {
	n := 0
	for _, s := range spots {
		switch {
		case isID(s.field) || s.field.Unique:
			n++
		case s.field.Kind == record.Bool:
			n += 10_000
		case s.value.IsNull():
			n += 1_000
		default:
			n += 10
		}
	}
	return n
}

func isID(f *record.Field) bool { return f.Name == "id" }

func indexed(f *record.Field) bool { return f.Index || f.Unique || isID(f) }

// bounds returns the range of f's values outside of which c does not hold, nil
// where it is open-ended.
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

// bounds returns the range of f's values outside of which not all of the
// conditions hold.
func bounds(f *record.Field, all []Condition) (lo, hi *store.Bound) {
	for i := range all {
		l, h := all[i].bounds(f)
		lo, hi = inner(lo, l, 1), inner(hi, h, -1)
	}
	return lo, hi
}

// inner returns the narrower of two lower bounds (sign 1) or two upper ones (-1).
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

// A plan is a way to come by the records of a scope, with others among them.
type plan struct {
	name   string
	ids    []record.ID
	ranges []store.Range
	twice  bool // one record may come up in two ranges
	sorted bool // they come in the scope's order
	sure   bool // no other plan can be much better
}

// each yields what the plan finds until yield returns false. To a transaction,
// only records that the conditions hold for matter.
func (p *plan) each(snap *store.Snapshot, m *record.Model, where Condition, yield func(*record.Image) bool) error {
	seen := map[record.ID]bool{}
	going := true
	once := func(img *record.Image) bool {
		if p.twice {
			if seen[img.ID] {
				return true
			}
			seen[img.ID] = true
		}
		going = yield(img)
		return going
	}
	for _, id := range p.ids {
		img, err := snap.Get(m, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !once(img) {
			return nil
		}
	}
	for _, r := range p.ranges {
		r.Relevant = where.match
		if err := snap.Scan(m, r, once); err != nil || !going {
			return err
		}
	}
	return nil
}

// within reports whether both plans read one part of one index.
func (p *plan) within(other *plan) bool {
	return len(p.ranges) == 1 && p.ranges[0].Index == other.ranges[0].Index
}

// plans returns the ways to read the first n records of the scope, 0 for all,
// that stand after a record, nil for the first.
func (s *Scope) plans(after *record.Image, n int) []plan {
	filter, filtered := s.byFilter()
	if filtered && (filter.sure || n == 0) {
		return []plan{filter}
	}
	walk, walkable := s.byOrder(after)
	walkable = walkable && (n > 0 || len(s.Order) == 0)
	switch {
	case filtered && walkable && !filter.within(&walk):
		return []plan{filter, walk}
	case walkable:
		return []plan{walk}
	case filtered:
		return []plan{filter}
	}
	return []plan{{name: "scan", ranges: []store.Range{{}}}}
}

// byFilter reads what the conditions leave of an index.
func (s *Scope) byFilter() (plan, bool) {
	spots, ok := s.Where.points(indexed)
	if !ok {
		return s.byRange()
	}
	p := plan{name: "filter", sure: true}
	seen := map[point]bool{}
	for _, at := range spots {
		if seen[at] {
			continue
		}
		seen[at] = true
		p.twice = p.twice || at.field != spots[0].field
		p.sure = p.sure && (isID(at.field) || at.field.Unique && !at.value.IsNull())
		if isID(at.field) {
			p.ids = append(p.ids, record.ID(at.value.Text()))
			continue
		}
		bound := &store.Bound{Value: at.value}
		p.ranges = append(p.ranges, store.Range{Index: at.field, Min: bound, Max: bound})
	}
	if len(p.ranges) == 1 && len(p.ids) == 0 && s.orderedByID() {
		p.sorted, p.sure = true, true
		p.ranges[0].Reverse = len(s.Order) > 0 && s.Order[0].Desc
	}
	return p, true
}

// byRange reads the part of an index in which the conditions can hold.
func (s *Scope) byRange() (plan, bool) {
	for f := range s.Where.Fields {
		if !indexed(f) || isID(f) {
			continue
		}
		if lo, hi := s.Where.bounds(f); lo != nil || hi != nil {
			return plan{name: "range", ranges: []store.Range{{Index: f, Min: lo, Max: hi}}}, true
		}
	}
	return plan{}, false
}

func (s *Scope) orderedByID() bool {
	return len(s.Order) == 0 || isID(s.Order[0].Field)
}

// byOrder reads the records in the scope's own order, from after on.
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
	return plan{name: "order", ranges: []store.Range{r}, sorted: true}, true
}
