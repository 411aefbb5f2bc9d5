package query

import (
	"slices"

	"github.com/towerkit/tower/internal/record"
)

// A Term is one value of a field, or an interval of its values.
type Term struct {
	Field    *record.Field
	Value    record.Value
	Interval *Interval // nil is the single value
}

// A TermFilter restricts which terms a caller can look up.
type TermFilter struct {
	fields func(*record.Field) bool // whose indexes find the terms; nil is any field, without an index
	Points bool                     // single values only, no intervals
}

func (f *TermFilter) allows(c *Condition) bool {
	return f.fields == nil || f.fields(c.field) && !slices.ContainsFunc(c.values(), func(v record.Value) bool { return !c.field.Indexes(v) })
}

// Terms returns terms that cover c: every record that satisfies c has at least one of
// them. An "and" returns the terms of its most selective argument, an "or" the terms of
// all its arguments. If no terms cover c, Terms returns the part of c that has none.
func (c *Condition) Terms(filter TermFilter) (found []Term, uncovered *Condition) {
	switch c.op {
	case opIs, opIn, opContains:
		if (c.op == opContains) == (c.field.Kind == record.List) && c.field.Kind != record.Object && filter.allows(c) {
			values := c.values()
			found = make([]Term, len(values))
			for i, v := range values {
				found[i] = Term{Field: c.field, Value: v}
			}
			return found, nil
		}
	case opGt, opGte, opLt, opLte:
		if !filter.Points && filter.allows(c) {
			return rangeTerms(c.field, []Condition{*c}), nil
		}
	case opOr:
		args := c.args()
		for i := range args {
			some, uncovered := args[i].Terms(filter)
			if uncovered != nil {
				return nil, uncovered
			}
			found = append(found, some...)
		}
		return found, nil
	case opAnd:
		if best, ok := ConjunctionTerms(c.args(), filter); ok {
			return best, nil
		}
	}
	return nil, c
}

// ConjunctionTerms returns the terms of the most selective of conditions that must
// all be true. Ranges of one field count as one condition.
func ConjunctionTerms(all []Condition, filter TermFilter) (best []Term, ok bool) {
	for i := range all {
		one := &all[i]
		some, uncovered := one.Terms(filter)
		if uncovered != nil {
			continue
		}
		if one.op >= opGt && one.op <= opLte {
			some = rangeTerms(one.field, all)
		}
		if !ok || estimate(some) < estimate(best) {
			best, ok = some, true
		}
	}
	return best, ok
}

// rangeTerms returns the interval of f's values where all of the conditions can be
// true, or no term if it is empty.
func rangeTerms(f *record.Field, all []Condition) []Term {
	s := newInterval(bounds(f, all))
	if s.empty() {
		return nil
	}
	return []Term{{Field: f, Interval: &s}}
}

// estimate guesses how many records have one of the terms, to compare it with other
// terms.
func estimate(terms []Term) int {
	n := 0
	for i := range terms {
		n += terms[i].estimate()
	}
	return n
}

func (t *Term) estimate() int {
	switch {
	case t.Interval != nil && t.Interval.open():
		return 5_000
	case t.Interval != nil:
		return 100
	case isID(t.Field) || t.Field.Unique:
		return 1
	case t.Field.Kind == record.Bool:
		return 10_000
	case t.Value.IsNull():
		return 1_000
	default:
		return 10
	}
}
