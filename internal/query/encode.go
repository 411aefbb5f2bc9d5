package query

import (
	"maps"

	"github.com/towerkit/tower/internal/record"
)

// ClientJSON encodes a condition in the form that [Parse] reads, for clients that
// evaluate it themselves. It leaves out conditions on private fields, on fields whose
// JSON does not show their value, and on values that may rejects. whole
// then is false: the condition that remains is true whenever the whole one is.
func (c Condition) ClientJSON(may func(record.Value) bool) (where map[string]any, whole bool) {
	plain := Canonical(c)
	return clientEncoder{may}.and(plain.Conjuncts())
}

type clientEncoder struct {
	may func(record.Value) bool
}

// and encodes the conditions that a client may have.
func (e clientEncoder) and(cs []Condition) (where map[string]any, whole bool) {
	where, whole = map[string]any{}, true
	var rest []any // conditions that do not fit into the one object
	for i := range cs {
		one, ok := e.one(&cs[i])
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

// one encodes a condition as an object with one member, or reports that it cannot.
func (e clientEncoder) one(c *Condition) (map[string]any, bool) {
	switch c.op {
	case opAnd:
		return e.and(c.args())
	case opOr:
		list := make([]any, len(c.args()))
		for i := range list {
			one, ok := e.one(&c.args()[i])
			if !ok {
				return nil, false
			}
			list[i] = one
		}
		return map[string]any{"or": list}, true
	case opNot:
		return e.not(&c.args()[0])
	default:
		test, ok := e.test(c)
		return map[string]any{c.field.Name: test}, ok
	}
}

func (e clientEncoder) not(c *Condition) (map[string]any, bool) {
	one, ok := e.one(c)
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

// test encodes what a field is tested for.
func (e clientEncoder) test(c *Condition) (any, bool) {
	f := c.field
	if f.Private || f.Shape() == "any" || f.Name == "and" || f.Name == "or" || f.Name == "not" {
		return nil, false
	}
	values := make([]any, len(c.values()))
	for i, v := range c.values() {
		if values[i] = f.JSON(v); !e.may(v) {
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

// merge adds an object with one member to another, if one object can express both.
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
