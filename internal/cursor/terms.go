package cursor

import (
	"fmt"

	"github.com/towerkit/tower/internal/record"
)

// A term is some of the values of one field: a single one, or a span.
type term struct {
	field *record.Field
	value record.Value
	span  *interval // nil: the value
}

// terms returns niches of which every record that c holds for is in one: those
// of the narrowest argument of an and, those of every argument of an or. Where c
// gives none, it returns that part of it for which there is none.
func (c *Condition) terms() (found []term, vague *Condition) {
	switch c.op {
	case opIs, opIn, opContains:
		if (c.op == opContains) == (c.field.Kind == record.List) && c.field.Kind != record.Object {
			for _, v := range c.values() {
				found = append(found, term{field: c.field, value: v})
			}
			return found, nil
		}
	case opGt, opGte, opLt, opLte:
		return rangeTerms(c.field, []Condition{*c}), nil
	case opOr:
		args := c.args()
		for i := range args {
			some, vague := args[i].terms()
			if vague != nil {
				return nil, vague
			}
			found = append(found, some...)
		}
		return found, nil
	case opAnd:
		if best, ok := cheapest(c.args()); ok {
			return best, nil
		}
	}
	return nil, c
}

// rangeTerms returns the span of f's values outside of which not all of the
// conditions hold, none if they never do.
func rangeTerms(f *record.Field, all []Condition) []term {
	s := newInterval(bounds(f, all))
	if s.empty() {
		return nil
	}
	return []term{{field: f, span: &s}}
}

// cheapest returns the niches of that one of conditions, which all have to hold,
// that has the fewest records in them. Ranges of one field are taken together.
func cheapest(all []Condition) (best []term, ok bool) {
	for i := range all {
		one := &all[i]
		some, vague := one.terms()
		if vague != nil {
			continue
		}
		if one.op >= opGt && one.op <= opLte {
			some = rangeTerms(one.field, all)
		}
		if !ok || estimateTerms(some) < estimateTerms(best) {
			best, ok = some, true
		}
	}
	return best, ok
}

// estimateTerms guesses how many records are in the niches, to compare.
func estimateTerms(niches []term) int {
	n := 0
	for _, at := range niches {
		switch {
		case at.span == nil:
			n += estimatePoints([]point{{at.field, at.value}})
		case at.span.open():
			n += 5_000
		default:
			n += 100
		}
	}
	return n
}

// Reason says why every change of the query's model is tested against its
// conditions, "" where an index finds the changes that may touch it.
func (q *Query) Reason() string {
	where := q.selector.condition()
	switch _, vague := where.terms(); {
	case vague == nil:
		return ""
	case vague.op == opAll:
		return "it has no conditions"
	case vague.op == opAnd:
		return fmt.Sprintf("nothing in %s names a value or a range", vague)
	default:
		return fmt.Sprintf("%s names neither a value nor a range", vague)
	}
}
