package record

import (
	"encoding/json"
	"reflect"
)

// HasPrivate reports whether the model has private fields.
func (m *Model) HasPrivate() bool { return m.private }

// Is reports whether t is the model's struct or a pointer to it.
func (m *Model) Is(t reflect.Type) bool { return t == m.structType || t == m.ptrType }

// Holds reports whether a value of type t can hold the model's struct.
func (m *Model) Holds(t reflect.Type) bool { return m.holds(t, map[reflect.Type]bool{}) }

func (m *Model) holds(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == m.structType {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return m.holds(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if m.holds(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// Public encodes record, a T or *T, without its private fields.
func (m *Model) Public(record any) ([]byte, error) {
	data, err := json.Marshal(record)
	if err != nil || string(data) == "null" {
		return data, err
	}
	public, _, err := m.Split(data, nil)
	return public, err
}
