package route

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/form"
	"github.com/towerkit/tower/internal/wire"
)

// Inputs are the fields of a route's input, by their JSON names.
type Inputs struct {
	Zone *time.Location // of the times in a form that names no zone; nil: UTC

	typ    reflect.Type
	fields []input
	writes bool // an empty box must not leave a field as it was
}

type input struct {
	record.JSONField
	required bool
}

func newInputs(t reflect.Type) (*Inputs, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("its input is a %s; it must be a struct", t)
	}
	in := &Inputs{typ: t}
	for _, f := range record.JSONFields(t) {
		rules := strings.Split(f.Tag.Get("validate"), ",")
		if _, err := f.In(reflect.New(t).Elem()); err != nil {
			return nil, fmt.Errorf("its input %w", err)
		}
		in.fields = append(in.fields, input{f, slices.Contains(rules, "required")})
	}
	return in, nil
}

func (in *Inputs) describe() []wire.Input {
	out := []wire.Input{}
	for _, f := range in.fields {
		out = append(out, wire.Input{Name: f.JSONName, Type: record.TypeName(f.Type), Required: f.required})
	}
	return out
}

// Decode returns an input, as a pointer to its struct, from a JSON object, the values
// of a form and the values in a path. A value in the path wins over the others. If the
// input is not valid, the error is a [fault.Error] with its problems.
func (in *Inputs) Decode(path url.Values, body json.RawMessage, sent url.Values) (any, error) {
	target := reflect.New(in.typ)
	problems := &record.Problems{}
	in.fromForm(target.Elem(), sent, problems)
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
		var other *json.UnmarshalTypeError
		if errors.As(err, &other) {
			return fault.Errorf(fault.BadRequest, "the input is a JSON %s; it must be an object, like {}", other.Value)
		}
		return fault.Errorf(fault.BadRequest, "the input is not a JSON object: %v", err)
	}
	for name, value := range values {
		f := in.find(name)
		if f == nil {
			problems.Add(name, "is not an input; the inputs are "+in.names())
			continue
		}
		f.decode(target, value, problems)
	}
	return nil
}

// decode sets the field of target from JSON, or adds a problem.
func (f *input) decode(target reflect.Value, value json.RawMessage, problems *record.Problems) {
	field, err := f.In(target)
	if err == nil {
		err = record.DecodeInput(field, f.Unquoted(value))
	}
	f.report(err, problems)
}

// report adds the problem of a value, under the name of the member that has it.
func (f *input) report(err error, problems *record.Problems) {
	var value *record.ValueError
	switch {
	case err == nil:
	case errors.As(err, &value):
		problems.Add(strings.TrimSuffix(f.JSONName+"."+value.Path, "."), value.Problem)
	default:
		problems.Add(f.JSONName, err.Error())
	}
}

// fromForm sets the inputs that a form has. It skips names that are not inputs, such as
// the name of a button.
func (in *Inputs) fromForm(target reflect.Value, sent url.Values, problems *record.Problems) {
	for _, f := range in.fields {
		values, found := sent[f.JSONName]
		if !found || len(values) == 0 {
			continue
		}
		if exact := form.Kept(sent, f.JSONName, f.Type); exact != nil {
			if string(exact) != "null" || record.Clears(f.Type) { // else it is not sent, and stays null
				f.decode(target, exact, problems)
			}
			continue
		}
		field, err := f.In(target)
		zone, known := form.Zone(sent, f.JSONName, cmp.Or(in.Zone, time.UTC))
		if !known {
			err = errors.New("is in a time zone that is not known")
		}
		if err == nil {
			err = form.Set(field, values, zone)
		}
		if err == nil && in.writes && field.Kind() == reflect.Pointer && field.IsNil() {
			err = errors.New("cannot be empty")
		}
		f.report(err, problems)
	}
}

// CheckNames returns an error with the problems of values that are no inputs.
func (in *Inputs) CheckNames(sent url.Values) error {
	problems := &record.Problems{}
	for name := range sent {
		if in.find(name) == nil {
			problems.Add(name, "is not an input; the inputs are "+in.names())
		}
	}
	if problems.Any() {
		return &fault.Error{Code: fault.Invalid, Message: "not valid", Problems: problems}
	}
	return nil
}

func (in *Inputs) find(name string) *input {
	for i := range in.fields {
		if in.fields[i].JSONName == name {
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
		names[i] = f.JSONName
	}
	return strings.Join(names, ", ")
}
