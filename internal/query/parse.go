package query

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// depth is how deeply a client may nest and, or and not.
const depth = 16

// Parse reads a condition on m's records from a decoded JSON object:
//
//	{"published": true, "likes": {"gte": 3, "lt": 9}, "title": {"contains": "x"}}
//	{"or": [{"id": {"in": ["01J…"]}}, {"not": {"authorId": null}}]}
//
// A record satisfies the condition if it satisfies every member of the object. A
// member is a field with a value or with an object of operators, or "and" or "or"
// with a list of such objects, or "not" with one. A number may be a json.Number, and
// an integer a string of digits, which is how a browser sends integers that
// JavaScript cannot represent. The error states which field, operator or value is
// wrong, and which ones there are.
func Parse(m *record.Model, where map[string]any) (Condition, error) {
	return ParseFields(m, m.Fields, where)
}

// ParseFields is [Parse] for a client that may know these fields of m only. All others are
// an [*UnknownFieldError], whether they exist or not.
func ParseFields(m *record.Model, fields []*record.Field, where map[string]any) (Condition, error) {
	c, err := parser{m, fields}.object(where, depth)
	if err != nil {
		return Condition{}, fmt.Errorf("where: %w", err)
	}
	return c, nil
}

var errDeep = fmt.Errorf("and, or and not are nested more than %d deep", depth)

type parser struct {
	model  *record.Model
	fields []*record.Field // that exist for the client
}

func (p parser) object(where map[string]any, depth int) (Condition, error) {
	if depth == 0 {
		return Condition{}, errDeep
	}
	var cs []Condition
	for _, name := range slices.Sorted(maps.Keys(where)) {
		c, err := p.member(name, where[name], depth)
		if err != nil {
			return Condition{}, err
		}
		cs = append(cs, c)
	}
	return Conjunction(cs), nil
}

func (p parser) member(name string, v any, depth int) (Condition, error) {
	switch name {
	case "and", "or":
		return p.list(name, v, depth)
	case "not":
		object, ok := v.(map[string]any)
		if !ok {
			return Condition{}, fmt.Errorf(`"not" takes an object of conditions; %s is not one`, show(v))
		}
		c, err := p.object(object, depth-1)
		return Not(c), err
	}
	f, err := fieldOf(p.model, p.fields, name)
	if err != nil {
		return Condition{}, err
	}
	return p.value(f, v, depth)
}

// value reads the test of a field: a value, or operators.
func (p parser) value(f *record.Field, v any, depth int) (Condition, error) {
	if operators, ok := v.(map[string]any); ok {
		return p.operators(f, operators, depth)
	}
	return p.operator(f, "is", v, depth)
}

func (p parser) list(name string, v any, depth int) (Condition, error) {
	list, ok := v.([]any)
	if !ok {
		return Condition{}, fmt.Errorf("%q takes a list of objects; %s is not one", name, show(v))
	}
	cs := make([]Condition, len(list))
	for i, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			return Condition{}, fmt.Errorf("%q takes a list of objects; %s is not one", name, show(item))
		}
		var err error
		if cs[i], err = p.object(object, depth-1); err != nil {
			return Condition{}, err
		}
	}
	if name == "and" {
		return And(cs...), nil
	}
	return Or(cs...), nil
}

func (p parser) operators(f *record.Field, operators map[string]any, depth int) (Condition, error) {
	if depth == 0 {
		return Condition{}, errDeep
	}
	if len(operators) == 0 {
		return Condition{}, fmt.Errorf("%s: no operator; %s", f.Name, choices(f))
	}
	var cs []Condition
	for _, name := range slices.Sorted(maps.Keys(operators)) {
		c, err := p.operator(f, name, operators[name], depth)
		if err != nil {
			return Condition{}, err
		}
		cs = append(cs, c)
	}
	return Conjunction(cs), nil
}

func (p parser) operator(f *record.Field, name string, v any, depth int) (Condition, error) {
	if name == "not" {
		c, err := p.value(f, v, depth-1)
		return Not(c), err
	}
	absent := f.Kind >= record.List && name == "is" && v == nil
	if !absent && !slices.Contains(operatorsOf(f), name) {
		return Condition{}, fmt.Errorf("%s, of type %s, cannot be tested with %q; %s", f.Name, f.TypeName(), name, choices(f))
	}
	switch name {
	case "exists":
		if yes, ok := v.(bool); !ok {
			return Condition{}, fmt.Errorf(`%s: "exists" takes true or false; %s is neither`, f.Name, show(v))
		} else if !yes {
			return Not(Exists(f)), nil
		}
		return Exists(f), nil
	case "in":
		return p.in(f, v)
	}
	value, err := f.Parse(number(f, v))
	if err != nil {
		return Condition{}, err
	}
	if value.IsNull() && name != "is" {
		return Condition{}, fmt.Errorf("%s: %q needs a value, not null", f.Name, name)
	}
	return test(byName[name], f, value), nil
}

func (p parser) in(f *record.Field, v any) (Condition, error) {
	list, ok := v.([]any)
	if !ok {
		return Condition{}, fmt.Errorf(`%s: "in" takes a list of values; %s is not one`, f.Name, show(v))
	}
	values := make([]record.Value, len(list))
	for i, item := range list {
		var err error
		if values[i], err = f.Parse(number(f, item)); err != nil {
			return Condition{}, err
		}
	}
	return In(f, values...), nil
}

// number returns the integer that a string for f denotes, or v if it denotes none.
func number(f *record.Field, v any) any {
	text, _ := v.(string)
	kind := f.Kind
	if kind == record.List {
		kind = f.Elem
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && (kind == record.Int || kind == record.Uint) {
		return i
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil && kind == record.Uint {
		return u
	}
	return v
}

var byName = map[string]op{"is": opIs, "gt": opGt, "gte": opGte, "lt": opLt, "lte": opLte, "contains": opContains}

// operatorsOf returns the operators that a condition on f may use.
func operatorsOf(f *record.Field) []string {
	switch f.Kind {
	case record.Object:
		return []string{"exists"}
	case record.List:
		return []string{"contains", "exists"}
	case record.String:
		return []string{"is", "not", "in", "gt", "gte", "lt", "lte", "contains", "exists"}
	default:
		return []string{"is", "not", "in", "gt", "gte", "lt", "lte", "exists"}
	}
}

func choices(f *record.Field) string {
	names := operatorsOf(f)
	if len(names) == 1 {
		return "its only operator is " + names[0]
	}
	last := len(names) - 1
	return "its operators are " + strings.Join(names[:last], ", ") + " and " + names[last]
}

// ParseOrder returns the order that the names of fields describe; a - before a name
// is descending. The error states which name is wrong.
func ParseOrder(m *record.Model, terms []string) ([]Order, error) {
	return ParseOrderFields(m, m.Fields, terms)
}

// ParseOrderFields is [ParseOrder] for a client that may know these fields of m only: see
// [ParseFields].
func ParseOrderFields(m *record.Model, fields []*record.Field, terms []string) ([]Order, error) {
	var order []Order
	for _, term := range terms {
		name, desc := strings.CutPrefix(term, "-")
		f, err := fieldOf(m, fields, name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("order: %w", err)
		case f.Kind >= record.List:
			return nil, fmt.Errorf("order: %s, of type %s, has no order", name, f.TypeName())
		case slices.ContainsFunc(order, func(o Order) bool { return o.Field == f }):
			return nil, fmt.Errorf("order: %s is named twice", name)
		}
		order = append(order, Order{f, desc})
	}
	return order, nil
}

// An UnknownFieldError reports the name of a field that does not exist, or not for the
// client.
type UnknownFieldError struct {
	Type string // of the model
	Name string
	Near string // the field that the name probably misspells, "" if none is near
}

func (e *UnknownFieldError) Error() string {
	text := show(e.Name) + " is not a field of " + e.Type
	if e.Near != "" {
		text += "; did you mean " + e.Near + "?"
	}
	return text
}

// fieldOf returns the field with a name, which must be among fields.
func fieldOf(m *record.Model, fields []*record.Field, name string) (*record.Field, error) {
	if f := m.Field(name); f != nil && slices.Contains(fields, f) {
		return f, nil
	}
	return nil, &UnknownFieldError{m.Type, name, m.Nearest(name, fields)}
}

// show formats a value for an error message: short, and on one line.
func show(v any) string {
	text := ""
	switch v := v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case nil:
		return "null"
	case string:
		text = strconv.Quote(v)
	default:
		text = fmt.Sprint(v)
	}
	if len(text) > 40 {
		text = strings.ToValidUTF8(text[:40], "") + "…"
	}
	return text
}
