package cursor

import (
	"fmt"

	"github.com/towerkit/tower/internal/store"
)

// A niche is some of the values of one field: a single one, or a span.
type niche struct {
	field *store.Field
	value store.Value
	span  *span // nil: the value
}

// niches returns niches of which every record that c holds for is in one: those
// of the narrowest argument of an and, those of every argument of an or. Where c
// gives none, it says why.
func (c *Condition) niches() (found []niche, why string) {
	switch c.op {
	case opAll:
		return nil, "it has no conditions"
	case opIs, opIn, opContains:
		if (c.op == opContains) == (c.field.Kind == store.List) && c.field.Kind != store.Object {
			for _, v := range c.values() {
				found = append(found, niche{field: c.field, value: v})
			}
			return found, ""
		}
	case opGt, opGte, opLt, opLte:
		return c.stretches(c.field), ""
	case opOr:
		args := c.args()
		for i := range args {
			some, why := args[i].niches()
			if why != "" {
				return nil, why
			}
			found = append(found, some...)
		}
		return found, ""
	case opAnd:
		return c.narrowest()
	}
	return nil, fmt.Sprintf("%s names neither a value nor a range", c)
}

// stretches returns the span of f's values outside of which c does not hold,
// none if it never does.
func (c *Condition) stretches(f *store.Field) []niche {
	s := spanOf(c.bounds(f))
	if s.empty() {
		return nil
	}
	return []niche{{field: f, span: &s}}
}

// narrowest returns the niches of that argument of an and that has the fewest
// records in them. Ranges of one field are taken together.
func (c *Condition) narrowest() (best []niche, why string) {
	why = fmt.Sprintf("nothing in %s names a value or a range", c)
	args := c.args()
	for i := range args {
		arg := &args[i]
		some, vague := arg.niches()
		if vague != "" {
			continue
		}
		if arg.op >= opGt && arg.op <= opLte {
			some = c.stretches(arg.field)
		}
		if why != "" || breadth(some) < breadth(best) {
			best, why = some, ""
		}
	}
	return best, why
}

// breadth guesses how many records are in the niches, to compare.
func breadth(niches []niche) int {
	n := 0
	for _, at := range niches {
		switch {
		case at.span == nil:
			n += crowd([]spot{{at.field, at.value}})
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
	_, why := q.spec.Scope.Where.niches()
	return why
}
