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
	public, _, err := m.divide(data)
	return public, err
}

// Within returns the model of a record that value contains, if that model has private
// fields; otherwise nil. It looks behind interfaces, where [Model.Holds] cannot. A record that is value
// itself does not count.
func Within(value any, models []*Model) *Model {
	private := map[reflect.Type]*Model{}
	for _, m := range models {
		if m.HasPrivate() {
			private[m.structType] = m
		}
	}
	if len(private) == 0 {
		return nil
	}
	at := reflect.ValueOf(value)
	if at.Kind() == reflect.Pointer {
		at = at.Elem()
	}
	if !at.IsValid() || private[at.Type()] != nil {
		return nil
	}
	return (&search{private, map[reflect.Type]bool{}}).within(at, 0)
}

// A search looks for records of models with private fields.
type search struct {
	private map[reflect.Type]*Model
	open    map[reflect.Type]bool // whether values of a type can hold one
}

// deepest is how deep within looks into pointers and interfaces. JSON that is deeper is refused.
const deepest = 1000

func (s *search) within(at reflect.Value, depth int) *Model {
	if !at.IsValid() || depth > deepest || !s.isOpen(at.Type()) {
		return nil
	}
	if m := s.private[at.Type()]; m != nil {
		return m
	}
	switch at.Kind() {
	case reflect.Pointer, reflect.Interface:
		return s.within(at.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		for i := range at.Len() {
			if m := s.within(at.Index(i), depth+1); m != nil {
				return m
			}
		}
	case reflect.Map:
		for entries := at.MapRange(); entries.Next(); {
			if m := s.within(entries.Value(), depth+1); m != nil {
				return m
			}
		}
	case reflect.Struct:
		for i := range at.NumField() {
			if m := s.within(at.Field(i), depth+1); m != nil {
				return m
			}
		}
	}
	return nil
}

func (s *search) isOpen(t reflect.Type) bool {
	open, known := s.open[t]
	if !known {
		open = reaches(t, s.private, map[reflect.Type]bool{})
		s.open[t] = open
	}
	return open
}

// reaches reports whether a value of type t can contain a record of a model in private,
// perhaps behind an interface.
func reaches(t reflect.Type, private map[reflect.Type]*Model, seen map[reflect.Type]bool) bool {
	if t.Kind() == reflect.Interface || private[t] != nil {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return reaches(t.Elem(), private, seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if reaches(t.Field(i).Type, private, seen) {
				return true
			}
		}
	}
	return false
}
