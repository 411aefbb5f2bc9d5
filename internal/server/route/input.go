package route

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/wire"
)

// Inputs are the fields of an action's input, by their JSON names.
type Inputs struct {
	typ    reflect.Type
	fields []input
}

type input struct {
	name     string
	index    []int
	typ      reflect.Type
	required bool
}

func newInputs(t reflect.Type) (*Inputs, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("its input is a %s; it must be a struct", t)
	}
	in := &Inputs{typ: t}
	for _, sf := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if !sf.IsExported() || sf.Anonymous || name == "-" {
			continue
		}
		if name == "" {
			name = sf.Name
		}
		required := false
		for rule := range strings.SplitSeq(sf.Tag.Get("validate"), ",") {
			required = required || rule == "required"
		}
		in.fields = append(in.fields, input{name: name, index: sf.Index, typ: sf.Type, required: required})
	}
	return in, nil
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

// typeProblem says that a value is not of a type, to follow the field's name.
func typeProblem(t reflect.Type) string {
	switch name := typeName(t); {
	case name == "float":
		return "is not a number"
	case name == "int" || name == "uint":
		return "is not a whole number"
	case strings.HasPrefix(name, "[]"):
		return "is not a list of such values"
	case name == "id" || name == "object":
		return "is not an " + name
	default:
		return "is not a " + name
	}
}

// Decode makes an input, a pointer to its struct, from the values in a path and
// from a JSON object or a form, and validates it.
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
			problems.Add(name, "is not an input; there are "+in.names())
			continue
		}
		if err := setJSON(target.FieldByIndex(f.index), value); err != nil {
			problems.Add(name, typeProblem(f.typ))
		}
	}
	return nil
}

// setJSON sets a field from JSON. A whole number may be the text of its digits, as
// a browser has one that its numbers cannot hold.
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

// fromForm takes the last of several values, so that a hidden field can stand
// for an unchecked box, and skips names that are no input, such as a button's.
func (in *Inputs) fromForm(target reflect.Value, form url.Values, problems *record.Problems) {
	for _, f := range in.fields {
		values, sent := form[f.name]
		if !sent || len(values) == 0 {
			continue
		}
		field := target.FieldByIndex(f.index)
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

// setText sets a field from the text of a form. Empty text is a field's zero:
// that is how a form clears it.
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

// parseTime accepts what JSON and what an <input type="datetime-local"> send.
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
