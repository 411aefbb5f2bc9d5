package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/towerkit/tower/internal/spelling"
)

// Assign sets the fields of record, a *T, that are members of the JSON object data.
// It returns a problem for each name that is not a field, for each field that the
// store fills, and for each value of the wrong type; a field with a problem keeps its
// value. Assign may set the id, for a record that has not been created yet.
func (m *Model) Assign(record any, data []byte) *Problems {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil || values == nil {
		problems := &Problems{}
		problems.Add("", "is not a JSON object")
		return problems
	}
	return m.assign(record, values, false)
}

// AssignStored is like Assign, for the members of a record that was stored before: it sets
// the fields that the store fills, too.
func (m *Model) AssignStored(record any, values map[string]json.RawMessage) *Problems {
	return m.assign(record, values, true)
}

func (m *Model) assign(record any, values map[string]json.RawMessage, stored bool) *Problems {
	problems := &Problems{}
	for name, value := range values {
		f := m.byName[name]
		if f == nil {
			problems.Add(name, m.Unknown(name))
			continue
		}
		if m.IsHeader(f) && name != "id" && !stored {
			problems.Add(name, "is set by the store")
			continue
		}
		if err := m.set(record, f, value); err != nil {
			problems.Add(strings.TrimSuffix(name+"."+err.Path, "."), err.Problem)
		}
	}
	return problems
}

// set sets the field of record, a *T, from JSON. It leaves the field alone if the field
// cannot hold the value.
func (m *Model) set(record any, f *Field, value json.RawMessage) *ValueError {
	base, ok := m.pointer(record)
	if !ok {
		return misfit("is a field of %s, and the record is a %T", m.Type, record)
	}
	target := f.at(base)
	made := reflect.New(target.Type()).Elem()
	err := decodeWhole(made, unquoted(f.tag, value), true)
	if err == nil {
		target.Set(made)
	} else if err.Path == "" && strings.HasPrefix(err.Problem, "is not a") {
		err.Problem = fmt.Sprintf("is %s; %s is not", f.typeWithArticle(), shorten(value))
	}
	return err
}

// Accepts reports whether a field can have a value.
func (m *Model) Accepts(f *Field, value json.RawMessage) bool { return m.set(m.New(), f, value) == nil }

// Unknown returns the problem of a name that is no field's: it follows the name.
func (m *Model) Unknown(name string) string {
	if near := m.Nearest(name, m.Fields); near != "" {
		return fmt.Sprintf("is not a field of %s; did you mean %s?", m.Type, near)
	}
	return "is not a field of " + m.Type
}

// Nearest returns the name among fields that name probably misspells, or "".
func (m *Model) Nearest(name string, fields []*Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return spelling.Closest(name, names)
}

func shorten(text []byte) string {
	if len(text) > 40 {
		return string(bytes.ToValidUTF8(text[:40], nil)) + "…"
	}
	return string(text)
}
