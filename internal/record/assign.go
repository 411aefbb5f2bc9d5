package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Assign sets the fields of record, a *T, that the JSON object data names, and
// returns the problems: names that are no field, fields that the store fills,
// values of a wrong type. A field with a problem stays as it is. The id may be
// set, for a record that is yet to be created.
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
		if m.Owns(f) && name != "id" {
			problems.Add(name, "is set by the store")
			continue
		}
		if !m.set(record, f, value) {
			problems.Add(name, fmt.Sprintf("is %s; %s is not", f.phrase(), shorten(value)))
		}
	}
	return problems
}

// set sets the field of record to what value says in JSON; where the field cannot
// hold that, it stays as it is, and set returns false. null is the zero value.
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

// Nearest returns the field's name that name is a likely misspelling of, or "".
func (m *Model) Nearest(name string) string {
	best, distance := "", 3
	for _, f := range m.Fields {
		if max(len(name)-len(f.Name), len(f.Name)-len(name)) >= distance {
			continue // too far apart, and a name from outside may be long
		}
		if d := editDistance(strings.ToLower(name), strings.ToLower(f.Name)); d < distance {
			best, distance = f.Name, d
		}
	}
	return best
}

// editDistance is Levenshtein's, by Wagner and Fischer's table, a row at a time.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func shorten(text []byte) string {
	if len(text) > 40 {
		return string(bytes.ToValidUTF8(text[:40], nil)) + "…"
	}
	return string(text)
}
