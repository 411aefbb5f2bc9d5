package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"unsafe"
)

// keepUnknown adds to private, a JSON object or nil, what before has of fields that the
// struct does not name. They are private: see [Model.Split].
func (m *Model) keepUnknown(private []byte, before *Image) ([]byte, error) {
	_, unknown, err := m.members(before.Private)
	if err != nil || len(unknown) == 0 {
		return private, err
	}
	private = bytes.TrimSuffix(private, []byte("}"))
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		private = appendMember(private, name, unknown[name])
	}
	return append(private, '}'), nil
}

// keepNested returns data, an encoded record that replaces before, with what before has
// of members that the structs within a field do not name.
func (m *Model) keepNested(data []byte, base unsafe.Pointer, before *Image) ([]byte, error) {
	if len(m.nested) == 0 {
		return data, nil
	}
	now, _, err := m.members(data)
	if err != nil {
		return nil, err
	}
	was, _, err := m.members(before.JSON, before.Private)
	if err != nil {
		return data, nil // it does not fit
	}
	changed := false
	for _, f := range m.nested {
		if kept := keepMembers(f.typ, was[f.Name], now[f.Name]); kept != nil && !bytes.Equal(kept, now[f.Name]) {
			now[f.Name], changed = kept, true
		}
	}
	if !changed {
		return data, nil
	}
	var whole []byte
	for _, f := range m.Fields {
		if value, ok := now[f.Name]; ok {
			whole = appendMember(whole, f.Name, value)
		}
	}
	return append(whole, '}'), nil
}

// keepMembers returns now, the new value of type t in JSON, with the members of was, its
// old value, that t does not name. The elements of a list have no names, so their
// members are kept only while the list is the same.
func keepMembers(t reflect.Type, was, now json.RawMessage) json.RawMessage {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if len(was) == 0 || len(now) == 0 || isNull(was) || isNull(now) || reflect.PointerTo(t).Implements(unmarshalerType) {
		return now
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		var old, new map[string]json.RawMessage
		if json.Unmarshal(was, &old) != nil || json.Unmarshal(now, &new) != nil {
			return now
		}
		return keepIn(t, old, new, now)
	case reflect.Slice, reflect.Array:
		read := reflect.New(t)
		if json.Unmarshal(was, read.Interface()) != nil {
			return now
		}
		if same, err := json.Marshal(read.Interface()); err == nil && bytes.Equal(same, now) {
			return was
		}
	}
	return now
}

func keepIn(t reflect.Type, old, new map[string]json.RawMessage, now json.RawMessage) json.RawMessage {
	changed := false
	for name, value := range old {
		inner := reflect.Type(nil)
		if t.Kind() == reflect.Map {
			inner = t.Elem()
		} else if f, named := JSONFieldsByName(t)[name]; named {
			inner = f.Type
		} else if _, taken := new[name]; !taken {
			new[name], changed = value, true
			continue
		}
		if inner == nil || new[name] == nil {
			continue
		}
		if kept := keepMembers(inner, value, new[name]); !bytes.Equal(kept, new[name]) {
			new[name], changed = kept, true
		}
	}
	if !changed {
		return now
	}
	var object []byte
	for _, name := range slices.Sorted(maps.Keys(new)) {
		object = appendMember(object, name, new[name])
	}
	return append(object, '}')
}

// hasStruct reports whether values of type t are made of structs, whose members a
// stored value may have more of.
func hasStruct(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t == timeType {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return hasStruct(t.Elem(), seen)
	}
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(unmarshalerType)
}

// shares reports whether copies of a value of type t share memory.
func shares(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	case reflect.Array:
		return shares(t.Elem())
	case reflect.Struct:
		if t == timeType {
			return false
		}
		for i := range t.NumField() {
			if shares(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// replaced is what encoding/json writes for bytes that are not Unicode.
var replaced = []byte(`\ufffd`)

// storable reports whether an encoded record can certainly be read back as it was.
func (m *Model) storable(data []byte) bool {
	return !bytes.Contains(data, replaced) && (!m.deep || textProblem(data) == "")
}

// unstorable returns a problem for each field whose value cannot be stored.
func (m *Model) unstorable(base unsafe.Pointer) *Problems {
	problems := &Problems{}
	for _, f := range m.Fields {
		data, err := json.Marshal(f.get(base))
		problem := ""
		var unsupported *json.UnsupportedValueError
		switch {
		case f.Kind == Time && err != nil, f.Elem == Time && err != nil:
			problem = "is out of range: the year is 0 to 9999 in UTC"
		case errors.As(err, &unsupported) && (f.Kind == Float || f.Elem == Float):
			problem = "is not a number"
		case err != nil:
			problem = fmt.Sprintf("cannot be stored: %v", err)
		case notUnicode(data):
			problem = "is not valid Unicode text"
		default:
			problem = textProblem(data)
		}
		if problem != "" {
			problems.Add(f.Name, problem)
		}
	}
	return problems
}

// notUnicode reports whether encoding/json has replaced bytes in what it wrote: the
// escape of a backslash does not count.
func notUnicode(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(data[i:], replaced) {
			return true
		}
		i++
	}
	return false
}
