package script

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// fields encodes the object of fields passed to a method. path leads to it, for errors.
func (m *model) fields(method string, v goja.Value, path ...string) json.RawMessage {
	if goja.IsUndefined(v) {
		panic(m.e.usage("%s.%s takes an object of fields, not undefined", m.name, method))
	}
	set := (&copier{e: m.e, limit: copySent, path: path}).copy(v)
	if set.Kind != show.Object && set.Kind != show.Record {
		panic(m.e.usage("%s.%s takes an object of fields: {%s: …}", m.name, method, m.firstField()))
	}
	for _, f := range set.Fields {
		m.check(f.Name)
	}
	return show.AppendJSON(nil, set)
}

// check throws if the model has no such field.
func (m *model) check(name string) {
	if !slices.Contains(m.fieldNames(), name) {
		m.e.throw(m.unknownField(name))
	}
}

// fieldOf returns the name of the field passed to a method. It throws if the model has
// no such field.
func (m *model) fieldOf(v goja.Value) string {
	if goja.IsUndefined(v) {
		m.e.undefined("the name of a field", "")
	}
	m.check(v.String())
	return v.String()
}

func (m *model) unknownField(name string) *show.Failure {
	return &show.Failure{Title: "unknown field", Message: m.name + " has no field " + term.Clean(name), Hint: m.suggestField(name), Word: name}
}

// missingMember returns the failure for an unknown member of a record, or nil if a
// record may lack it.
func (m *model) missingMember(name string) *show.Failure {
	f := m.field(name)
	switch {
	case f == nil:
		names := slices.Concat(m.fieldNames(), m.refNames())
		u := m.unknownField(name)
		if slices.Contains(elsewhere, name) {
			u.Title, u.Message = "TypeError", m.name+" has no method "+name
			u.Hint = "a change is stored at once: record.update({" + m.firstField() + ": …}), record.delete(), record.reload()"
			return u
		}
		if u.Hint = show.DidYouMean(name, slices.Concat(names, recordMethods)); u.Hint == "" {
			u.Hint = "it has " + list(slices.DeleteFunc(names, func(name string) bool { return m.fieldOrEvery(name).Private }))
		}
		return u
	case f.Private:
		return &show.Failure{Title: "private field", Message: m.name + "." + name + " is stored but never sent", Word: name,
			Hint: "to read it, which the log will keep: reveal(record, " + show.Quoted(name) + ")"}
	}
	return nil
}

// elsewhere lists methods that records have in other libraries.
var elsewhere = []string{"save", "set", "destroy", "remove", "refresh", "updateAttributes", "assign"}

// fieldOrEvery returns a field of the model, or one of the fields that every record
// has.
func (m *model) fieldOrEvery(name string) *wire.FieldInfo {
	if f := m.field(name); f != nil {
		return f
	}
	if name == "id" {
		return &wire.FieldInfo{Name: name, Type: "string"}
	}
	return &wire.FieldInfo{Name: name, Type: "time"}
}

func (m *model) field(name string) *wire.FieldInfo {
	for i := range m.info.Fields {
		if m.info.Fields[i].Name == name {
			return &m.info.Fields[i]
		}
	}
	return nil
}

func (m *model) suggestField(name string) string {
	if hint := show.DidYouMean(name, m.fieldNames()); hint != "" {
		return hint
	}
	return "it has " + list(m.fieldNames())
}

// fieldNames returns the names of the model's fields, including the fields that every
// record has.
func (m *model) fieldNames() []string {
	names := make([]string, 0, len(m.info.Fields)+3)
	for _, f := range m.info.Fields {
		names = append(names, f.Name)
	}
	for _, name := range []string{"id", "createdAt", "updatedAt"} {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (m *model) firstField() string {
	for _, name := range m.fieldNames() {
		if name != "id" && name != "createdAt" && name != "updatedAt" {
			return name
		}
	}
	return "id"
}

// checkWhere throws if conditions name a field or an operator that does not exist.
func (m *model) checkWhere(where show.Value) {
	for _, f := range where.Fields {
		switch f.Name {
		case "and", "or":
			for _, item := range f.Value.Items {
				m.checkWhere(item)
			}
		case "not":
			m.checkWhere(f.Value)
		default:
			m.check(f.Name)
			m.checkOperators(*m.fieldOrEvery(f.Name), f.Value)
		}
	}
}

// checkOperators throws if a condition uses an operator that the type of the field does
// not support.
func (m *model) checkOperators(f wire.FieldInfo, test show.Value) {
	if test.Kind != show.Object {
		return
	}
	for _, operator := range test.Fields {
		if operator.Name == "not" {
			m.checkOperators(f, operator.Value)
		} else if operator.Name == "is" && operator.Value.Kind == show.Null {
			continue // of a list and an object as well
		} else if known := operatorsOf(f.Type); !slices.Contains(known, operator.Name) {
			m.e.throw(&show.Failure{Title: "unknown operator", Word: operator.Name, Hint: orThereIs(show.DidYouMean(operator.Name, known), known),
				Message: m.name + "." + f.Name + ", of type " + f.Type + ", cannot be tested with " + term.Clean(operator.Name)})
		}
	}
}

// operatorsOf returns the operators for a type of field.
func operatorsOf(kind string) []string {
	switch kind {
	case "object":
		return []string{"exists"}
	case "list":
		return []string{"contains", "exists"}
	case "string", "ref":
		return []string{"is", "not", "in", "gt", "gte", "lt", "lte", "contains", "exists"}
	}
	return []string{"is", "not", "in", "gt", "gte", "lt", "lte", "exists"}
}

func orThereIs(hint string, known []string) string {
	if hint == "" {
		return "there is " + list(known)
	}
	return hint
}

// list joins words as in a sentence.
func list(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return words[0]
}
