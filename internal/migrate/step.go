package migrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Migration is a list of steps that a store goes through once.
type Migration struct {
	ID    string
	Steps []Step
}

// A Step changes the records of one model.
type Step struct {
	store.Effect
	// Apply changes a record. It is nil for a step that concerns the model as a whole, and for
	// one that has Make.
	Apply func(*record.Raw) error
	// Make changes a record too. It may call make for records of the model To: it returns the one
	// with a key.
	Make func(r *record.Raw, make func(key string) *record.Raw) error
}

// whole reports whether the step concerns the model as a whole.
func (s Step) whole() bool { return s.Apply == nil && s.Make == nil }

// The kinds of steps that change values.
const (
	Fill   = "fill"
	Retype = "retype"
	Each   = "each"
	Split  = "split"
)

// String describes the step: "rename posts.title to headline".
func (s Step) String() string {
	switch s.Kind {
	case store.Rename:
		return fmt.Sprintf("rename %s.%s to %s", s.Model, s.Field, s.To)
	case store.RenameModel:
		return fmt.Sprintf("rename %s to %s", s.Model, s.To)
	case store.DropModel:
		return "drop all " + s.Model
	case Each:
		return "change each of " + s.Model
	case Split:
		return fmt.Sprintf("split %s off %s", s.To, s.Model)
	default:
		return fmt.Sprintf("%s %s.%s", s.Kind, s.Model, s.Field)
	}
}

// Renames returns a step that renames a field.
func Renames(model, from, to string) Step {
	return Step{Effect: store.Effect{Kind: store.Rename, Model: model, Field: from, To: to}, Apply: func(r *record.Raw) error {
		if r.Has(from) && !r.Rename(from, to) {
			return fmt.Errorf("it has %s too; decide with tower.Each which of them to keep", to)
		}
		delete(r.Members, from)
		return nil
	}}
}

// Drops returns a step that drops a field with its values.
func Drops(model, field string) Step {
	return Step{Effect: store.Effect{Kind: store.Drop, Model: model, Field: field}, Apply: func(r *record.Raw) error {
		delete(r.Members, field)
		return nil
	}}
}

// apply runs the step on a record, and returns the records that it makes. A panic is an error
// with its stack.
func (s Step) apply(r *record.Raw) (made []*record.Raw, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, bytes.TrimSpace(debug.Stack()))
		}
	}()
	before := header(r)
	if s.Apply != nil {
		if err := s.Apply(r); err != nil {
			return nil, err
		}
		return nil, before.check(r)
	}
	err = s.Make(r, func(key string) *record.Raw {
		one := &record.Raw{ID: record.DeriveID(s.To, key), Members: map[string]json.RawMessage{"createdAt": json.RawMessage(before["createdAt"]), "updatedAt": json.RawMessage(before["updatedAt"])}}
		for _, other := range made {
			if other.ID == one.ID {
				return other
			}
		}
		one.Members["id"] = json.RawMessage(`"` + string(one.ID) + `"`)
		made = append(made, one)
		return one
	})
	for _, one := range made {
		own := maps.Clone(before)
		own["id"] = `"` + string(one.ID) + `"`
		if err == nil {
			err = own.check(one)
		}
	}
	if err == nil {
		err = before.check(r)
	}
	return made, err
}

// A headers is the members of a record that the store fills.
type headers map[string]string

func header(r *record.Raw) headers {
	h := headers{}
	for _, name := range headerNames {
		h[name] = string(r.Members[name])
	}
	return h
}

// check returns an error if a step has changed what the store fills, or set what is not JSON.
func (h headers) check(r *record.Raw) error {
	for name, value := range r.Members {
		if was, own := h[name]; own && was != string(value) {
			return fmt.Errorf("it changed %s, which a migration cannot", name)
		}
		if !json.Valid(value) {
			return fmt.Errorf("it set %s to what is not JSON", name)
		}
	}
	for name, was := range h {
		if _, has := r.Members[name]; was != "" && !has {
			return fmt.Errorf("it dropped %s, which a migration cannot", name)
		}
	}
	return nil
}

// headerNames are the members that the store fills.
var headerNames = [...]string{"id", "createdAt", "updatedAt"}

// A StepError reports the record on which a step failed.
type StepError struct {
	Migration string
	Step      Step
	ID        record.ID
	Err       error

	index int // of the step in its table
}

func (e *StepError) Error() string {
	if e.Migration == "" {
		return fmt.Sprintf("%s: %s/%s: %v", e.Step, e.Step.Model, e.ID, e.Err)
	}
	return fmt.Sprintf("migration %s: %s: %s/%s: %v", e.Migration, e.Step, e.Step.Model, e.ID, e.Err)
}

func (e *StepError) Unwrap() error { return e.Err }
