package cursor

import (
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/store"
)

// Match reports whether the condition holds for the record. It does not
// allocate.
func (c Condition) Match(img *store.Image) bool { return c.match(img) }

func (c *Condition) match(img *store.Image) bool {
	switch c.op {
	case opAll:
		return true
	case opIs:
		return img.Value(c.field) == c.values[0]
	case opIn:
		return c.has(img.Value(c.field))
	case opContains:
		return c.contains(img)
	case opExists:
		return !img.Value(c.field).IsNull()
	case opNot:
		return !c.args[0].match(img)
	case opAnd:
		for i := range c.args {
			if !c.args[i].match(img) {
				return false
			}
		}
		return true
	case opOr:
		for i := range c.args {
			if c.args[i].match(img) {
				return true
			}
		}
		return false
	default:
		return c.compare(img.Value(c.field))
	}
}

// few is how many values are compared one by one rather than searched.
const few = 8

func (c *Condition) has(v store.Value) bool {
	if len(c.values) <= few {
		return slices.Contains(c.values, v)
	}
	_, found := slices.BinarySearchFunc(c.values, v, store.Value.Compare)
	return found
}

// compare tests v by the condition's order. A value of another kind, and null
// is one, has no place in it.
func (c *Condition) compare(v store.Value) bool {
	if v.IsNull() || v.Kind() != c.values[0].Kind() {
		return false
	}
	order := v.Compare(c.values[0])
	switch c.op {
	case opGt:
		return order > 0
	case opGte:
		return order >= 0
	case opLt:
		return order < 0
	default:
		return order <= 0
	}
}

func (c *Condition) contains(img *store.Image) bool {
	want := c.values[0]
	if c.field.Kind == store.List {
		found := false
		img.Each(c.field, func(v store.Value) bool {
			found = v == want
			return !found
		})
		return found
	}
	v := img.Value(c.field)
	return v.Kind() == store.String && want.Kind() == store.String && strings.Contains(v.Text(), want.Text())
}
