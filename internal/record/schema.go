package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Schema describes a model as a store remembers it, to compare it with the model of
// another build.
type Schema struct {
	Name   string        `json:"name"` // of the collection: "posts"
	Type   string        `json:"type"` // of the Go struct: "Post"
	Fields []FieldSchema `json:"fields"`
	Groups []string      `json:"groups,omitempty"` // of fields that are unique together: "team+user"
	Gone   bool          `json:"gone,omitempty"`   // no build has had the model since; its records are kept
}

// A FieldSchema describes a field of a [Schema].
type FieldSchema struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"` // "int", "[]string", "ref posts", or the Go type of an object; "" if it is not known
	Unique   bool     `json:"unique,omitempty"`
	Required bool     `json:"required,omitempty"`
	Private  bool     `json:"private,omitempty"`
	Was      []string `json:"was,omitempty"`
	Gone     bool     `json:"gone,omitempty"`  // the struct does not name it; its values are kept
	Since    int      `json:"since,omitempty"` // number of the change of models in which it came or went
}

// Schema returns the model's schema.
func (m *Model) Schema() Schema {
	s := Schema{Name: m.Name, Type: m.Type}
	for _, f := range m.Fields {
		s.Fields = append(s.Fields, FieldSchema{Name: f.Name, Type: f.schemaType(), Unique: f.Unique, Required: f.Required, Private: f.Private, Was: f.Was})
	}
	for _, g := range m.Groups {
		s.Groups = append(s.Groups, g.Name)
	}
	return s
}

func (f *Field) schemaType() string {
	optional := ""
	if f.pointer {
		optional = "?"
	}
	switch {
	case f.Ref != "":
		return "ref " + f.Ref
	case f.opaque() || f.Kind == Object:
		return f.typ.String()
	case f.Kind == List:
		return "[]" + f.Elem.String()
	default:
		return f.Kind.String() + optional
	}
}

// SchemaOf returns what a [Model.Signature] states of a model: the names of its fields.
func SchemaOf(name, signature string) Schema {
	s := Schema{Name: name, Type: name}
	public, private, _ := strings.Cut(signature, ";")
	for field := range strings.FieldsSeq(public) {
		s.Fields = append(s.Fields, FieldSchema{Name: field})
	}
	for field := range strings.FieldsSeq(private) {
		s.Fields = append(s.Fields, FieldSchema{Name: field, Private: true})
	}
	return s
}

// Field returns the field with that name, or nil.
func (s *Schema) Field(name string) *FieldSchema {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return &s.Fields[i]
		}
	}
	return nil
}

// A Raw is a stored record as its members in JSON, public, private and those that no
// struct names.
type Raw struct {
	ID      ID
	Members map[string]json.RawMessage
}

// ParseRaw returns a stored record from the two parts of its JSON.
func ParseRaw(id ID, parts ...[]byte) (*Raw, error) {
	r := &Raw{ID: id, Members: map[string]json.RawMessage{}}
	for _, part := range parts {
		if len(part) == 0 {
			continue
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(part, &members); err != nil {
			return nil, fmt.Errorf("record %s: %w", id, err)
		}
		maps.Copy(r.Members, members)
	}
	return r, nil
}

// Has reports whether the record has a value other than null under the name.
func (r *Raw) Has(name string) bool {
	value, found := r.Members[name]
	return found && !isNull(value)
}

// Rename moves a member to another name. It returns false, and changes nothing, if there
// is no such member, or if the other name has a value that is not zero.
func (r *Raw) Rename(from, to string) bool {
	value, found := r.Members[from]
	if !found || !isZero(r.Members[to]) {
		return false
	}
	delete(r.Members, from)
	r.Members[to] = value
	return true
}

// isZero reports whether a member is absent, or the JSON of a zero value.
func isZero(value json.RawMessage) bool {
	switch string(value) {
	case "", "null", `""`, "0", "false":
		return true
	}
	return false
}

// Encode returns the record as the model stores it. Without a model, everything is
// public.
func (r *Raw) Encode(m *Model) (public, private []byte, err error) {
	for _, name := range slices.Sorted(maps.Keys(r.Members)) {
		public = appendMember(public, name, r.Members[name])
	}
	if public == nil {
		public = []byte{'{'}
	}
	public = append(public, '}')
	if m == nil {
		return public, nil, nil
	}
	return m.Split(public, nil)
}

// Clone returns a copy whose members may be replaced.
func (r *Raw) Clone() *Raw { return &Raw{ID: r.ID, Members: maps.Clone(r.Members)} }
