package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Change is a difference between the models of a build and those that a store
// remembers.
type Change struct {
	Kind  string
	Model string
	Type  string // the Go type of the model
	Field string
	From  string // the name or the type that is stored
	To    string // the name or the type that the build has; of a field that is gone, the one that it may have become, or ""
}

// The kinds of changes.
const (
	NewModel    = "new model"
	GoneModel   = "gone model" // the build does not have it; its records are kept
	NewField    = "new field"
	GoneField   = "gone field" // the struct does not name it; its values are kept
	Renamed     = "renamed"
	Retyped     = "retyped"
	NowUnique   = "unique"
	NowRequired = "required"
	NowPrivate  = "private"
	NowPublic   = "public"
)

// Compare returns how the models differ from those that a store remembers. What has been
// gone for longer, and is still kept, counts.
func Compare(r store.Remembered, models []*record.Model) (changes []Change) {
	if r.Fresh {
		return nil
	}
	for _, m := range models {
		was := r.Model(m.Name)
		if was == nil || was.Gone && len(was.Fields) == 0 {
			changes = append(changes, Change{Kind: NewModel, Model: m.Name, Type: m.Type})
			continue
		}
		changes = append(changes, compareModel(was, m.Schema(), r.Names)...)
	}
	for _, was := range r.Models {
		if !slices.ContainsFunc(models, func(m *record.Model) bool { return m.Name == was.Name }) {
			changes = append(changes, Change{Kind: GoneModel, Model: was.Name, Type: was.Type})
		}
	}
	return changes
}

func compareModel(was *record.Schema, now record.Schema, namesOnly bool) (changes []Change) {
	add := func(kind, field, from, to string) {
		changes = append(changes, Change{kind, now.Name, now.Type, field, from, to})
	}
	for _, f := range now.Fields {
		old := was.Field(f.Name)
		if old == nil {
			old = folded(was, f.Name)
		}
		if old == nil {
			add(NewField, f.Name, "", f.Type)
			continue
		}
		if old.Type != "" && old.Type != f.Type {
			add(Retyped, f.Name, old.Type, f.Type)
		}
		if !namesOnly && f.Unique && !old.Unique {
			add(NowUnique, f.Name, "", "")
		}
		if !namesOnly && f.Required && !old.Required {
			add(NowRequired, f.Name, "", "")
		}
		if f.Private && !old.Private {
			add(NowPrivate, f.Name, "", "")
		}
		if !f.Private && old.Private && !old.Gone {
			add(NowPublic, f.Name, "", "")
		}
	}
	for _, group := range now.Groups {
		if !namesOnly && !slices.Contains(was.Groups, group) {
			add(NowUnique, group, "", "")
		}
	}
	for _, f := range was.Fields {
		if folded(&now, f.Name) == nil {
			add(GoneField, f.Name, f.Type, heir(f, was, &now))
		}
	}
	return changes
}

// folded returns the field with that name, ignoring case as JSON does.
func folded(s *record.Schema, name string) *record.FieldSchema {
	for i := range s.Fields {
		if strings.EqualFold(s.Fields[i].Name, name) {
			return &s.Fields[i]
		}
	}
	return nil
}

// String describes the change: "posts.views is an int now, and was a string".
func (c Change) String() string {
	field := c.Model + "." + c.Field
	switch c.Kind {
	case NewModel:
		return c.Model + " is new"
	case GoneModel:
		return c.Model + " is gone; its records are kept"
	case NewField:
		return field + " is new"
	case GoneField:
		return field + " is gone; its values are kept"
	case Renamed:
		return fmt.Sprintf("%s.%s is called %s now", c.Model, c.From, c.To)
	case Retyped:
		return fmt.Sprintf("%s was of type %s, and is of type %s now", field, c.From, c.To)
	default:
		return fmt.Sprintf("%s is %s now", field, c.Kind)
	}
}

// heir returns the name of the only field of its type that came when a field went, which
// may have been renamed, or "".
func heir(gone record.FieldSchema, was, now *record.Schema) (name string) {
	for _, f := range now.Fields {
		old := was.Field(f.Name)
		came := old == nil && !gone.Gone || old != nil && !old.Gone && gone.Gone && old.Since == gone.Since && gone.Since > 0
		if !came || f.Type != gone.Type || len(f.Was) > 0 {
			continue
		}
		if name != "" {
			return ""
		}
		name = f.Name
	}
	return name
}
