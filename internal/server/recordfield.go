package server

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/route"
)

// fieldOf returns the value and the tag of a record's field, by its JSON name.
func fieldOf(record any, name string) (any, reflect.StructTag, error) {
	at := reflect.Indirect(reflect.ValueOf(record))
	if at.Kind() == reflect.Struct {
		if m, found := membersByName(at.Type())[name]; found {
			return at.FieldByIndex(m.Path).Interface(), m.Tag, nil
		}
	}
	return nil, "", fmt.Errorf("a %T has no field %q", record, name)
}

// memberMaps holds the result of membersByName for each type.
var memberMaps sync.Map

// membersByName returns the fields of a struct type by their JSON names. It omits fields of
// embedded pointers.
func membersByName(t reflect.Type) map[string]route.JSONField {
	if known, found := memberMaps.Load(t); found {
		return known.(map[string]route.JSONField)
	}
	byName := map[string]route.JSONField{}
	for _, m := range route.JSONFields(t) {
		if !m.BehindPointer {
			byName[m.JSONName] = m
		}
	}
	known, _ := memberMaps.LoadOrStore(t, byName)
	return known.(map[string]route.JSONField)
}

// kindOf returns the kind of a value, or of the value that a pointer points to. It is
// Invalid for structs other than time.Time.
func kindOf(value any) reflect.Kind {
	t := reflect.TypeOf(value)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() {
		return reflect.Invalid
	}
	return t.Kind()
}
