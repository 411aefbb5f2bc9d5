package query

import (
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// Match reports whether the record satisfies the condition. One that does not fit its
// model satisfies none. Match does not allocate.
func (c *Condition) Match(img *record.Image) bool { return img.Fits() && c.match(img) }

func (c *Condition) match(img *record.Image) bool {
	switch c.op {
	case opAll:
		return true
	case opIs:
		return img.Value(c.field) == c.value
	case opIn:
		return c.has(img.Value(c.field))
	case opContains:
		return c.contains(img)
	case opExists:
		return !img.Value(c.field).IsNull()
	case opNot:
		return !c.args()[0].match(img)
	case opAnd:
		args := c.args()
		for i := range args {
			if !args[i].match(img) {
				return false
			}
		}
		return true
	case opOr:
		args := c.args()
		for i := range args {
			if args[i].match(img) {
				return true
			}
		}
		return false
	default:
		return c.compare(img.Value(c.field))
	}
}

// fewValues is how many values are searched one by one rather than by bisection.
const fewValues = 8

func (c *Condition) has(v record.Value) bool {
	values := c.operands.values
	if len(values) <= fewValues {
		return slices.Contains(values, v)
	}
	_, found := slices.BinarySearchFunc(values, v, record.Value.Compare)
	return found
}

// compare compares v by the condition's operator. It is false for values of another
// kind, including null.
func (c *Condition) compare(v record.Value) bool {
	if v.IsNull() || v.Kind() != c.value.Kind() {
		return false
	}
	order := v.Compare(c.value)
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

func (c *Condition) contains(img *record.Image) bool {
	want := c.value
	if c.field.Kind == record.List {
		found := false
		img.Each(c.field, func(v record.Value) bool {
			found = v == want
			return !found
		})
		return found
	}
	v := img.Value(c.field)
	return v.Kind() == record.String && want.Kind() == record.String && strings.Contains(v.Text(), want.Text())
}
