package tower

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// Assign sets the fields of a record that the fields of an input name, by their JSON
// names. The input is a struct or a pointer to one. A field of the input has the type
// of the record's field, or is a pointer to that type: nil leaves the record's field
// as it is. So one input can serve both Create and Update. An [Optional] of the input,
// a pointer to a pointer, also clears a pointer of the record:
//
//	type PostInput struct {
//		ID    tower.ID            `json:"id"`
//		Title *string             `json:"title"`
//		Rank  tower.Optional[int] `json:"rank"` // of a record's Rank *int
//	}
//
//	post := &models.Post{}
//	if err := tower.Assign(post, in); err != nil {
//		return nil, err
//	}
//	return post, models.Posts.Create(ctx, c, post)
//
// A *string or *time.Time of the input may also go to one of the record: nil leaves it
// as it is, and an empty text and the zero time, which an empty box of a form sends,
// clear it. A *int or *bool has no value that could mean this, so Assign refuses it for
// a pointer of the record.
//
// A field of the input that the record lacks goes to the record's method Set with the name
// of the field in Go, if it has one that takes the value and returns an error. So the
// Password of an input is given to SetPassword(string) error, which stores its hash. Nil is
// not given to it.
//
// The id is set only if the record has none. Assign returns an error, and sets
// nothing, if the input has a field that the record lacks, has with another type, or
// that the store fills. The types alone decide this, so a mistake fails the first call,
// whether it sends the field or not.
func Assign[T any](rec *T, input any) error {
	from := reflect.Indirect(reflect.ValueOf(input))
	if from.Kind() != reflect.Struct {
		return fmt.Errorf("assign to %T: the input is a %T, not a struct", rec, input)
	}
	list, err := assignmentsOf(from.Type(), reflect.TypeFor[T]())
	if err != nil {
		return err
	}
	to := reflect.ValueOf(rec).Elem()
	before := *rec
	for _, a := range list {
		if err := a.run(from, to); err != nil {
			*rec = before
			return err
		}
	}
	return nil
}

// An Optional is a field of an input for a record's field that may be null: a *T. It
// tells apart what a client may send:
//
//	in.Rank == nil   // nothing was sent
//	*in.Rank == nil  // null, or the empty box of a form
//	**in.Rank        // the value
type Optional[T any] = **T

// An assignment copies one field of an input to a field of a record.
type assignment struct {
	from, to []int
	id       bool   // set only if it is empty
	set      string // the record's method that takes the value; "": to is its field
}

func (a assignment) run(from, to reflect.Value) error {
	value, err := from.FieldByIndexErr(a.from)
	if err != nil {
		return nil // an embedded pointer is nil
	}
	if a.set != "" {
		return a.call(value, to)
	}
	target := to.FieldByIndex(a.to)
	switch {
	case a.id && !target.IsZero():
	case value.Kind() == reflect.Pointer && value.IsNil():
	case value.Kind() == reflect.Pointer && value.Type().Elem() == target.Type():
		target.Set(value.Elem())
	case target.Kind() != reflect.Pointer:
		target.Set(value)
	default:
		target.Set(pointerTo(reflect.Indirect(value)))
	}
	return nil
}

// call gives a value to a method of the record.
func (a assignment) call(value, to reflect.Value) error {
	method := to.Addr().MethodByName(a.set)
	if value.Type() != method.Type().In(0) {
		if value.IsNil() {
			return nil
		}
		value = value.Elem()
	}
	err, _ := method.Call([]reflect.Value{value})[0].Interface().(error)
	return err
}

// setter returns the name of the method of a record that takes a field of an input, "" if
// there is none.
func setter(to reflect.Type, from reflect.StructField) string {
	method, found := reflect.PointerTo(to).MethodByName("Set" + from.Name)
	if !found || method.Type.NumIn() != 2 || method.Type.IsVariadic() || method.Type.NumOut() != 1 || method.Type.Out(0) != reflect.TypeFor[error]() {
		return ""
	}
	if takes := method.Type.In(1); takes != from.Type && reflect.PointerTo(takes) != from.Type {
		return ""
	}
	return method.Name
}

// pointerTo returns a pointer to a copy of value, nil for an empty text and the zero
// time: they are what a form sends for an empty box, and for a pointer it means null.
func pointerTo(value reflect.Value) reflect.Value {
	copied := reflect.New(value.Type())
	if value.IsZero() && (value.Kind() == reflect.String || value.Type() == reflect.TypeFor[time.Time]()) {
		return reflect.Zero(copied.Type())
	}
	copied.Elem().Set(value)
	return copied
}

// assignments holds the result of planAssignments for each pair of types.
var assignments sync.Map

type typePair struct{ from, to reflect.Type }

type planned struct {
	list []assignment
	err  error
}

func assignmentsOf(from, to reflect.Type) ([]assignment, error) {
	key := typePair{from, to}
	known, found := assignments.Load(key)
	if !found {
		list, err := planAssignments(from, to)
		known, _ = assignments.LoadOrStore(key, planned{list, err})
	}
	p := known.(planned)
	return p.list, p.err
}

// planAssignments matches the fields of two struct types.
func planAssignments(from, to reflect.Type) ([]assignment, error) {
	if to.Kind() != reflect.Struct {
		return nil, fmt.Errorf("assign to a %s: it is not a struct", to)
	}
	var list []assignment
	var problems []string
	targets := map[string]record.JSONField{}
	for _, f := range record.JSONFields(to) {
		targets[f.JSONName] = f
	}
	for _, source := range record.JSONFields(from) {
		name := source.JSONName
		target, found := targets[name]
		found = found && !target.BehindPointer
		filled := found && ofRecord(to, target)
		if method := setter(to, from.FieldByIndex(source.Path)); !found && method != "" {
			list = append(list, assignment{from: source.Path, set: method})
			continue
		}
		switch {
		case !found:
			problems = append(problems, fmt.Sprintf("%s has no field %q", to, name))
		case filled && name != "id":
			problems = append(problems, fmt.Sprintf("%q is set by the store", name))
		case source.Type == target.Type && !clearable(target.Type):
			problems = append(problems, fmt.Sprintf("%q is a %s and cannot tell null from a value that was not sent; in the input, make it a tower.Optional[%s]", name, source.Type, source.Type.Elem()))
		case base(source.Type) != base(target.Type) && source.Type != reflect.PointerTo(target.Type):
			problems = append(problems, fmt.Sprintf("%q is a %s, and in %s a %s", name, source.Type, to, target.Type))
		}
		list = append(list, assignment{source.Path, target.Path, filled, ""})
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("assign %s to %s: %s", from, to, strings.Join(problems, "; "))
	}
	return list, nil
}

// ofRecord reports whether a field of t is one of the embedded [Record].
func ofRecord(t reflect.Type, f record.JSONField) bool {
	parents := f.Path[:len(f.Path)-1]
	return len(parents) > 0 && t.FieldByIndex(parents).Type == reflect.TypeFor[Record]()
}

// clearable reports whether a field of an input of type t has a value that clears a
// record's field of the same type. A pointer needs one behind it, for nil is a field
// that was not sent.
func clearable(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer || t.Elem().Kind() == reflect.String || record.Clears(t)
}

// base returns the type behind a pointer, or the type itself.
func base(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
