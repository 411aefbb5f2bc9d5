package repl

import (
	"encoding/json"
	"slices"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/wire"
)

// fields encodes the object of fields that a method was given.
func (m *model) fields(method string, v goja.Value) json.RawMessage {
	if goja.IsUndefined(v) {
		v = m.e.vm.NewObject()
	}
	set := m.e.snapshot(v, copySent)
	if set.kind != objectValue && set.kind != recordValue {
		panic(m.e.usage("%s.%s takes an object of fields: {%s: …}", m.name, method, m.firstField()))
	}
	for _, f := range set.fields {
		m.check(f.name)
	}
	return appendJSON(nil, set)
}

// check throws when the model has no such field.
func (m *model) check(name string) {
	if !slices.Contains(m.fieldNames(), name) {
		m.e.throw(m.unknownField(name))
	}
}

func (m *model) unknownField(name string) *failure {
	return &failure{title: "unknown field", message: m.name + " has no field " + clean(name), hint: m.suggestField(name), word: name}
}

// unread says why a record has no such member, nil where it may lack it.
func (m *model) unread(name string) *failure {
	f := m.field(name)
	switch {
	case f == nil:
		names := slices.Concat(m.fieldNames(), m.refNames())
		u := m.unknownField(name)
		if u.hint = didYouMean(name, slices.Concat(names, recordMethods)); u.hint == "" {
			u.hint = "it has " + list(slices.DeleteFunc(names, func(name string) bool { return m.fieldOrEvery(name).Private }))
		}
		return u
	case f.Private:
		return &failure{title: "private field", message: m.name + "." + name + " is stored and never sent", word: name}
	}
	return nil
}

// fieldOrEvery is a field, or one of those that every record has.
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
	if hint := didYouMean(name, m.fieldNames()); hint != "" {
		return hint
	}
	return "it has " + list(m.fieldNames())
}

// fieldNames are the model's fields, with those that every record has.
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
