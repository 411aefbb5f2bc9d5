package query

import (
	"maps"

	"github.com/towerkit/tower/internal/record"
)

// ClientJSON puts a condition into the form that [Parse] reads, for who judges records
// elsewhere. Conditions on private fields, on fields whose JSON tells nothing of
// their values, and with values that may not be told, for which may is asked, are
// left out: then the rest holds wherever the whole does, and whole is false.
func (c Condition) ClientJSON(may func(record.Value) bool) (where map[string]any, whole bool) {
	plain := Canonical(c)
	return clientEncoder{may}.and(plain.Conjuncts())
}

type clientEncoder struct {
	may func(record.Value) bool
}

// and tells those of the conditions that can be told.
func (t clientEncoder) and(cs []Condition) (where map[string]any, whole bool) {
	where, whole = map[string]any{}, true
	var rest []any // what does not go into one object
	for i := range cs {
		one, ok := t.one(&cs[i])
		switch {
		case !ok:
			whole = false
		case !merge(where, one):
			rest = append(rest, one)
		}
	}
	if rest != nil {
		where["and"] = rest
	}
	return where, whole
}

// one tells a condition in an object of one member, or reports that it cannot.
func (t clientEncoder) one(c *Condition) (map[string]any, bool) {
	switch c.op {
	case opAnd:
		return t.and(c.args())
	case opOr:
		list := make([]any, len(c.args()))
		for i := range list {
			one, ok := t.one(&c.args()[i])
			if !ok {
				return nil, false
			}
			list[i] = one
		}
		return map[string]any{"or": list}, true
	case opNot:
		return t.not(&c.args()[0])
	default:
		test, ok := t.test(c)
		return map[string]any{c.field.Name: test}, ok
	}
}

func (t clientEncoder) not(c *Condition) (map[string]any, bool) {
	one, ok := t.one(c)
	if !ok {
		return nil, false
	}
	if c.field == nil {
		return map[string]any{"not": one}, true
	}
	if test, ok := one[c.field.Name].(map[string]any); ok && test["exists"] == false {
		return map[string]any{c.field.Name: map[string]any{"exists": true}}, true
	}
	return map[string]any{c.field.Name: map[string]any{"not": one[c.field.Name]}}, true
}

// test tells what a field is tested for.
func (t clientEncoder) test(c *Condition) (any, bool) {
	f := c.field
	if f.Private || f.Shape() == "any" || f.Name == "and" || f.Name == "or" || f.Name == "not" {
		return nil, false
	}
	values := make([]any, len(c.values()))
	for i, v := range c.values() {
		if values[i] = f.JSON(v); !t.may(v) {
			return nil, false
		}
	}
	switch {
	case c.op == opIn:
		return map[string]any{"in": values}, true
	case c.op == opIs && c.value.IsNull():
		return map[string]any{"exists": false}, true
	case c.op == opIs && f.Kind == record.Object:
		return nil, false
	case c.op == opIs:
		return values[0], true
	}
	for name, op := range byName {
		if op == c.op {
			return map[string]any{name: values[0]}, true
		}
	}
	return nil, false
}

// merge adds an object of one member to another, where one object can say both.
func merge(where, one map[string]any) bool {
	for name, test := range one {
		have, both := where[name]
		if !both {
			where[name] = test
			continue
		}
		a, _ := have.(map[string]any)
		b, _ := test.(map[string]any)
		if a == nil || b == nil || name == "not" {
			return false
		}
		for op := range b {
			if _, both := a[op]; both {
				return false
			}
		}
		maps.Copy(a, b)
	}
	return true
}
