package cursor

import (
	"github.com/towerkit/tower/internal/record"
)

// A term is one value of a field, or an interval of its values.
type term struct {
	field    *record.Field
	value    record.Value
	interval *interval // nil: value
}

// A termFilter restricts the terms that a caller can look up.
type termFilter struct {
	fields func(*record.Field) bool // nil: any field
	points bool                     // values only, no intervals
}

func (f *termFilter) allows(c *Condition) bool { return f.fields == nil || f.fields(c.field) }

// terms returns terms that cover c: every record that c holds for has at least one
// of them. An and gives the terms of its most selective argument, an or those of
// all arguments. If c cannot be covered, terms returns the part of it that gives
// no term.
func (c *Condition) terms(filter termFilter) (found []term, uncovered *Condition) {
	switch c.op {
	case opIs, opIn, opContains:
		if (c.op == opContains) == (c.field.Kind == record.List) && c.field.Kind != record.Object && filter.allows(c) {
			values := c.values()
			found = make([]term, len(values))
			for i, v := range values {
				found[i] = term{field: c.field, value: v}
			}
			return found, nil
		}
	case opGt, opGte, opLt, opLte:
		if !filter.points && filter.allows(c) {
			return rangeTerms(c.field, []Condition{*c}), nil
		}
	case opOr:
		args := c.args()
		for i := range args {
			some, uncovered := args[i].terms(filter)
			if uncovered != nil {
				return nil, uncovered
			}
			found = append(found, some...)
		}
		return found, nil
	case opAnd:
		if best, ok := conjunctionTerms(c.args(), filter); ok {
			return best, nil
		}
	}
	return nil, c
}

// conjunctionTerms returns the terms of the most selective of conditions that
// must all hold. Ranges of one field count as one.
func conjunctionTerms(all []Condition, filter termFilter) (best []term, ok bool) {
	for i := range all {
		one := &all[i]
		some, uncovered := one.terms(filter)
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

// rangeTerms returns the interval of f's values in which all of the conditions
// can hold, no term if it is empty.
func rangeTerms(f *record.Field, all []Condition) []term {
	s := newInterval(bounds(f, all))
	if s.empty() {
		return nil
	}
	return []term{{field: f, interval: &s}}
}

// estimate guesses how many records the terms match. It serves to compare terms
// with each other.
func estimate(terms []term) int {
	n := 0
	for i := range terms {
		n += terms[i].estimate()
	}
	return n
}

func (t *term) estimate() int {
	switch {
	case t.interval != nil && t.interval.open():
		return 5_000
	case t.interval != nil:
		return 100
	case isID(t.field) || t.field.Unique:
		return 1
	case t.field.Kind == record.Bool:
		return 10_000
	case t.value.IsNull():
		return 1_000
	default:
		return 10
	}
}
