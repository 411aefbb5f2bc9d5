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
	files  bool // some are files
	writes bool // an empty box must not leave a field as it was
}

type input struct {
	record.JSONField
	required bool
	file     *record.FileRules // nil unless it is a file
}

// OpenFile returns the file for which an upload has given a client a token. The error follows the name of the field.
type OpenFile func(token string) (record.File, error)

// A FileInput is an input that is a file.
type FileInput struct {
	Name  string
	Rules *record.FileRules
}

// Files returns the inputs that are files.
func (in *Inputs) Files() (files []FileInput) {
	for _, f := range in.fields {
		if f.file != nil {
			files = append(files, FileInput{f.JSONName, f.file})
		}
	}
	return files
}

// readFile sets f.file if the input is a file.
func (f *input) readFile() (err error) {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case record.IsFile(t):
		var rest string
		if f.file, rest, err = record.ParseFileRules(f.Tag.Get("tower")); err == nil && rest != "" {
			err = fmt.Errorf("tower tag %q is none of an input that is a file: max=SIZE, accept=TYPES", rest)
		}
	case record.HoldsFile(t):
		err = errors.New("has a file within; a file is a field of the input itself")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", f.JSONName, err)
	}
	return err
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
		one := input{JSONField: f, required: slices.Contains(rules, "required")}
		if err := one.readFile(); err != nil {
			return nil, fmt.Errorf("its input %w", err)
		}
		in.files = in.files || one.file != nil
		in.fields = append(in.fields, one)
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
// of a form and the values in a path. A value in the path wins over the others. A file is
// the token of its upload, which open opens. If the input is not valid, the error is a
// [fault.Error] with its problems.
func (in *Inputs) Decode(path url.Values, body json.RawMessage, sent url.Values, open OpenFile) (any, error) {
	target := reflect.New(in.typ)
	problems := &record.Problems{}
	in.fromForm(target.Elem(), sent, open, problems)
	if err := in.fromJSON(target.Elem(), body, open, problems); err != nil {
		return nil, err
	}
	in.fromForm(target.Elem(), path, open, problems)
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

func (in *Inputs) fromJSON(target reflect.Value, body json.RawMessage, open OpenFile, problems *record.Problems) error {
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
		if f.file != nil {
			var token *string
			if json.Unmarshal(value, &token) != nil {
				problems.Add(name, notUploaded)
			} else {
				f.setFile(target, token, open, problems)
			}
			continue
		}
		f.decode(target, value, problems)
	}
	return nil
}

const notUploaded = "is not an upload"

// setFile sets the input to the file of a token, or to none for "" and nil.
func (f *input) setFile(target reflect.Value, token *string, open OpenFile, problems *record.Problems) {
	var file record.File
	field, err := f.In(target)
	if err == nil && token != nil && *token != "" {
		if open == nil {
			err = errors.New(notUploaded)
		} else if file, err = open(*token); err == nil {
			if problem := cmp.Or(f.file.TypeProblem(file.Type), f.file.SizeProblem(file.Size)); problem != "" {
				err = errors.New(problem)
			}
		}
	}
	if err == nil && field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	if err == nil {
		field.Set(reflect.ValueOf(file).Convert(field.Type()))
	}
	f.report(err, problems)
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
func (in *Inputs) fromForm(target reflect.Value, sent url.Values, open OpenFile, problems *record.Problems) {
	for _, f := range in.fields {
		values, found := sent[f.JSONName]
		if !found || len(values) == 0 {
			continue
		}
		if f.file != nil {
			f.setFile(target, &values[len(values)-1], open, problems)
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
