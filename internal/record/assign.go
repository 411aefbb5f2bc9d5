package record

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/towerkit/tower/internal/spelling"
)

// Assign sets the fields of record, a *T, that are members of the JSON object data.
// It returns a problem for each name that is not a field, for each field that the
// store fills, and for each value of the wrong type; a field with a problem keeps its
// value. Assign may set the id, for a record that has not been created yet.
func (m *Model) Assign(record any, data []byte) *Problems {
	problems := &Problems{}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil || values == nil {
		problems.Add("", "is not a JSON object")
		return problems
	}
	for name, value := range values {
		f := m.byName[name]
		if f == nil {
			problems.Add(name, m.unknown(name))
			continue
		}
		if m.IsHeader(f) && name != "id" {
			problems.Add(name, "is set by the store")
			continue
		}
		if !m.set(record, f, value) {
			problems.Add(name, fmt.Sprintf("is %s; %s is not", f.typeWithArticle(), shorten(value)))
		}
	}
	return problems
}

// set sets the field of record from JSON; null is the zero value. It returns false
// and leaves the field alone if the field cannot hold the value.
func (m *Model) set(record any, f *Field, value json.RawMessage) bool {
	one, err := json.Marshal(map[string]json.RawMessage{f.Name: value})
	other := m.New()
	if err != nil || json.Unmarshal(one, other) != nil {
		return false
	}
	if _, ok := m.pointer(record); !ok {
		return false
	}
	m.CopyFields(record, other, []*Field{f})
	return true
}

func (m *Model) unknown(name string) string {
	if near := m.Nearest(name); near != "" {
		return fmt.Sprintf("is not a field of %s; did you mean %s?", m.Type, near)
	}
	return "is not a field of " + m.Type
}

// Nearest returns the name of the field that name probably misspells, or "".
func (m *Model) Nearest(name string) string {
	names := make([]string, len(m.Fields))
	for i, f := range m.Fields {
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
