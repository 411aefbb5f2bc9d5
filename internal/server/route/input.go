package route

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/wire"
)

// Inputs are the fields of a route's input, by their JSON names.
type Inputs struct {
	typ    reflect.Type
	fields []input
}

type input struct {
	name     string
	path     []int
	typ      reflect.Type
	required bool
}

func newInputs(t reflect.Type) (*Inputs, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("its input is a %s; it must be a struct", t)
	}
	in := &Inputs{typ: t}
	for _, f := range JSONFields(t) {
		rules := strings.Split(f.Tag.Get("validate"), ",")
		field := input{name: f.JSONName, path: f.Path, typ: f.Type, required: slices.Contains(rules, "required")}
		if _, err := field.in(reflect.New(t).Elem()); err != nil {
			return nil, err
		}
		in.fields = append(in.fields, field)
	}
	return in, nil
}

// in returns the field of a struct that holds the input. It allocates embedded pointers
// that are nil.
func (f *input) in(target reflect.Value) (reflect.Value, error) {
	for _, i := range f.path {
		if target.Kind() == reflect.Pointer {
			if !target.CanSet() {
				return target, fmt.Errorf("its input embeds a %s; embed the struct itself, or export its type", target.Type())
			}
			if target.IsNil() {
				target.Set(reflect.New(target.Type().Elem()))
			}
			target = target.Elem()
		}
		target = target.Field(i)
	}
	return target, nil
}

func (in *Inputs) describe() []wire.Input {
	out := []wire.Input{}
	for _, f := range in.fields {
		out = append(out, wire.Input{Name: f.name, Type: typeName(f.typ), Required: f.required})
	}
	return out
}

func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return typeName(t.Elem())
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[record.ID]():
		return "id"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "[]" + typeName(t.Elem())
	case reflect.Float32, reflect.Float64:
		return "float"
	case reflect.Struct, reflect.Map, reflect.Interface:
		return "object"
	}
	return strings.TrimRight(t.Kind().String(), "0123456789")
}

// typeProblem returns the problem of a value that is not of type t. It follows the
// name of the field.
func typeProblem(t reflect.Type) string {
	switch name := typeName(t); {
	case name == "float":
		return "is not a number"
	case name == "int" || name == "uint":
		return "is not a whole number"
	case strings.HasPrefix(name, "[]"):
		return "is not a valid list"
	case name == "id" || name == "object":
		return "is not an " + name
	default:
		return "is not a " + name
	}
}

// Decode returns an input, as a pointer to its struct, from a JSON object, the values
// of a form and the values in a path. A value in the path wins over the others. If the
// input is not valid, the error is a [fault.Error] with its problems.
func (in *Inputs) Decode(path url.Values, body json.RawMessage, form url.Values) (any, error) {
	target := reflect.New(in.typ)
	problems := &record.Problems{}
	in.fromForm(target.Elem(), form, problems)
	if err := in.fromJSON(target.Elem(), body, problems); err != nil {
		return nil, err
	}
	in.fromForm(target.Elem(), path, problems)
	if !problems.Any() {
		if err := record.Validate(target.Interface(), problems); err != nil {
			return nil, err
		}
	}
	if problems.Any() {
		return nil, &fault.Error{Code: fault.Invalid, Message: "not valid", Problems: problems}
	}
	return target.Interface(), nil
}

func (in *Inputs) fromJSON(target reflect.Value, body json.RawMessage, problems *record.Problems) error {
	if body = bytes.TrimSpace(body); len(body) == 0 || string(body) == "null" {
		return nil
	}
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &values); err != nil {
		return fault.Errorf(fault.BadRequest, "the input is not a JSON object: %v", err)
	}
	for name, value := range values {
		f := in.find(name)
		if f == nil {
			problems.Add(name, "is not an input; the inputs are "+in.names())
			continue
		}
		field, err := f.in(target)
		if err == nil {
			err = setJSON(field, value)
		}
		if err != nil {
			problems.Add(name, typeProblem(f.typ))
		}
	}
	return nil
}

// setJSON sets a field from JSON. A whole number may be a string of its digits, because
// a browser's numbers cannot hold every int64.
func setJSON(field reflect.Value, value json.RawMessage) error {
	err := json.Unmarshal(value, field.Addr().Interface())
	var digits string
	if err == nil || json.Unmarshal(value, &digits) != nil || digits == "" {
		return err
	}
	if name := typeName(field.Type()); name != "int" && name != "uint" {
		return err
	}
	return setText(field, digits)
}

// fromForm sets the inputs that a form has. It uses the last of several values, so that
// a hidden field can represent an unchecked box, and skips names that are not inputs,
// such as the name of a button.
func (in *Inputs) fromForm(target reflect.Value, form url.Values, problems *record.Problems) {
	for _, f := range in.fields {
		values, sent := form[f.name]
		if !sent || len(values) == 0 {
			continue
		}
		field, err := f.in(target)
		if err != nil {
			problems.Add(f.name, typeProblem(f.typ))
			continue
		}
		if field.Kind() == reflect.Slice {
			setList(field, f, values, problems)
		} else if err := setText(field, values[len(values)-1]); err != nil {
			problems.Add(f.name, typeProblem(f.typ))
		}
	}
}

func setList(field reflect.Value, f input, values []string, problems *record.Problems) {
	list := reflect.MakeSlice(field.Type(), 0, len(values))
	for _, text := range values {
		element := reflect.New(field.Type().Elem()).Elem()
		if err := setText(element, text); err != nil {
			problems.Add(f.name, typeProblem(f.typ))
			return
		}
		list = reflect.Append(list, element)
	}
	field.Set(list)
}

// setText sets a field from the text of a form. Empty text sets the zero value: so a
// form clears a field.
func setText(field reflect.Value, text string) (err error) {
	if field.Kind() == reflect.Pointer {
		value := reflect.New(field.Type().Elem())
		if err := setText(value.Elem(), text); err != nil {
			return err
		}
		field.Set(value)
		return nil
	}
	if field.Kind() == reflect.String {
		field.SetString(strings.ReplaceAll(text, "\r\n", "\n"))
		return nil
	}
	if text == "" {
		field.SetZero()
		return nil
	}
	switch {
	case field.Type() == reflect.TypeFor[time.Time]():
		var at time.Time
		at, err = parseTime(text)
		field.Set(reflect.ValueOf(at))
	case field.Kind() == reflect.Bool:
		field.SetBool(text == "true" || text == "on" || text == "1")
		if !field.Bool() && text != "false" && text != "off" && text != "0" {
			err = strconv.ErrSyntax
		}
	case field.CanInt():
		var i int64
		i, err = strconv.ParseInt(text, 10, field.Type().Bits())
		field.SetInt(i)
	case field.CanUint():
		var u uint64
		u, err = strconv.ParseUint(text, 10, field.Type().Bits())
		field.SetUint(u)
	case field.CanFloat():
		var f float64
		f, err = strconv.ParseFloat(text, field.Type().Bits())
		field.SetFloat(f)
	default:
		err = json.Unmarshal([]byte(text), field.Addr().Interface())
	}
	return err
}

// parseTime accepts the formats of JSON and of <input type="datetime-local">.
func parseTime(text string) (at time.Time, err error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if at, err = time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return at, err
}

func (in *Inputs) find(name string) *input {
	for i := range in.fields {
		if in.fields[i].name == name {
			return &in.fields[i]
		}
	}
	return nil
}

func (in *Inputs) names() string {
	if len(in.fields) == 0 {
		return "none"
	}
	names := make([]string, len(in.fields))
	for i, f := range in.fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}
