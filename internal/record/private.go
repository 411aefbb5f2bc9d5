package record

import (
	"encoding/json"
	"reflect"
	"sync"
)

// HasPrivate reports whether the model has private fields.
func (m *Model) HasPrivate() bool { return m.private }

// Is reports whether t is the model's struct or a pointer to it.
func (m *Model) Is(t reflect.Type) bool { return t == m.structType || t == m.ptrType }

// Holds reports whether a value of type t can hold the model's struct.
func (m *Model) Holds(t reflect.Type) bool {
	return reaches(t, func(t reflect.Type) bool { return t == m.structType }, map[reflect.Type]bool{})
}

// Public encodes record, a T or *T, without its private fields.
func (m *Model) Public(record any) ([]byte, error) {
	data, err := json.Marshal(record)
	if err != nil || string(data) == "null" {
		return data, err
	}
	public, _, err := m.divide(data, m.written(data))
	return public, err
}

// A Search looks for records of models with private fields in other values. It is safe for
// concurrent use.
type Search struct {
	private map[reflect.Type]*Model
	open    sync.Map // reflect.Type → bool: whether values of the type can hold one
}

// NewSearch returns a search for records of models. It ignores models without private fields.
func NewSearch(models []*Model) *Search {
	s := &Search{private: map[reflect.Type]*Model{}}
	for _, m := range models {
		if m.HasPrivate() {
			s.private[m.structType] = m
		}
	}
	return s
}

// Within returns the model of a record that value contains; nil if there is none. It looks
// behind interfaces, where [Model.Holds] cannot. A record that is value itself does not
// count.
func (s *Search) Within(value any) *Model {
	if len(s.private) == 0 {
		return nil
	}
	at := reflect.ValueOf(value)
	if at.Kind() == reflect.Pointer {
		at = at.Elem()
	}
	if !at.IsValid() || s.private[at.Type()] != nil {
		return nil
	}
	return s.within(at, 0)
}

// deepest is how deep within looks into pointers and interfaces. JSON that is deeper is refused.
const deepest = 1000

func (s *Search) within(at reflect.Value, depth int) *Model {
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

func (s *Search) isOpen(t reflect.Type) bool {
	open, known := s.open.Load(t)
	if !known {
		open = reaches(t, func(t reflect.Type) bool { return t.Kind() == reflect.Interface || s.private[t] != nil }, map[reflect.Type]bool{})
		s.open.Store(t, open)
	}
	return open.(bool)
}

// reaches reports whether found is true of t, or of a type that values of type t are made of. It
// enters no type twice, and leaves out the keys of maps.
func reaches(t reflect.Type, found func(reflect.Type) bool, seen map[reflect.Type]bool) bool {
	if found(t) {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return reaches(t.Elem(), found, seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if reaches(t.Field(i).Type, found, seen) {
				return true
			}
		}
	}
	return false
}
