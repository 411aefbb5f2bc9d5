package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// A JSONField is a field of a struct's JSON object. It is declared in the struct or in
// an embedded struct.
type JSONField struct {
	reflect.StructField
	JSONName      string
	Path          []int // for reflect.Value.FieldByIndex
	BehindPointer bool  // it is in an embedded struct pointer, which may be nil
}

// JSONFields returns the fields of a struct that encoding/json writes, in the order of
// their declaration. It follows the rules of encoding/json: if several fields have one
// name, the least deeply embedded field wins, then the only field with a tag, and
// otherwise none of them is a field.
func JSONFields(t reflect.Type) []JSONField {
	found := map[string]*JSONField{}
	seen := map[reflect.Type]bool{}
	for level := []JSONField{{StructField: reflect.StructField{Type: t}}}; len(level) > 0; {
		var deeper []JSONField
		here := map[string][]JSONField{}
		for _, at := range level {
			if seen[at.inner()] {
				continue
			}
			seen[at.inner()] = true
			for m := range at.fields {
				if m.embedded() {
					deeper = append(deeper, m)
				} else {
					here[m.JSONName] = append(here[m.JSONName], m)
				}
			}
		}
		for name, rivals := range here {
			if _, taken := found[name]; !taken {
				found[name] = dominant(rivals)
			}
		}
		level = deeper
	}
	var out []JSONField
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if found[name] != nil {
			out = append(out, *found[name])
		}
	}
	slices.SortFunc(out, func(a, b JSONField) int { return slices.Compare(a.Path, b.Path) })
	return out
}

// inner returns the type of the field, without a pointer.
func (m JSONField) inner() reflect.Type {
	if m.Type.Kind() == reflect.Pointer {
		return m.Type.Elem()
	}
	return m.Type
}

// embedded reports whether m is replaced by the fields of its struct.
func (m JSONField) embedded() bool {
	return m.Anonymous && m.tag() == "" && m.inner().Kind() == reflect.Struct
}

func (m JSONField) tag() string {
	name, _, _ := strings.Cut(m.Tag.Get("json"), ",")
	return name
}

// fields yields the fields that m's struct has in JSON.
func (m JSONField) fields(yield func(JSONField) bool) {
	for i := range m.inner().NumField() {
		field := JSONField{StructField: m.inner().Field(i), Path: append(slices.Clone(m.Path), i), BehindPointer: m.BehindPointer}
		if field.Tag.Get("json") == "-" || !field.IsExported() && !field.embedded() {
			continue
		}
		if field.JSONName = field.tag(); field.JSONName == "" {
			field.JSONName = field.Name
		}
		field.BehindPointer = field.BehindPointer || field.embedded() && field.Type.Kind() == reflect.Pointer
		if !yield(field) {
			return
		}
	}
}

// dominant returns the field that wins among fields with one name at one depth, nil if
// none does.
func dominant(rivals []JSONField) *JSONField {
	if len(rivals) > 1 {
		rivals = slices.DeleteFunc(rivals, func(m JSONField) bool { return m.tag() == "" })
	}
	if len(rivals) != 1 {
		return nil
	}
	return &rivals[0]
}

// In returns the field in a struct of the type that it was found in. It allocates
// embedded pointers that are nil.
func (m JSONField) In(target reflect.Value) (reflect.Value, error) {
	for _, i := range m.Path {
		if target.Kind() == reflect.Pointer {
			if !target.CanSet() {
				return target, fmt.Errorf("embeds a %s; embed the struct itself, or export its type", target.Type())
			}
			if target.IsNil() {
				target.Set(reflect.New(target.Type().Elem()))
			}
			target = target.Elem()
		}
		target = target.Field(i)
	}
	return target, nil
}

// Unquoted returns the field's value in JSON without the quotes that the option
// "string" of its json tag adds to a float or a bool.
func (m JSONField) Unquoted(data json.RawMessage) json.RawMessage {
	return unquoted(m.Tag.Get("json"), data)
}

func unquoted(tag string, data json.RawMessage) json.RawMessage {
	_, options, found := strings.Cut(tag, ",")
	if !found {
		return data
	}
	var text string
	if slices.Contains(strings.Split(options, ","), "string") && json.Unmarshal(data, &text) == nil && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return data
}

// fieldMaps holds the result of JSONFieldsByName for each type.
var fieldMaps sync.Map

// JSONFieldsByName returns the fields of a struct's JSON object by their names. The
// caller must not change the map.
func JSONFieldsByName(t reflect.Type) map[string]JSONField {
	if known, found := fieldMaps.Load(t); found {
		return known.(map[string]JSONField)
	}
	byName := map[string]JSONField{}
	for _, m := range JSONFields(t) {
		byName[m.JSONName] = m
	}
	known, _ := fieldMaps.LoadOrStore(t, byName)
	return known.(map[string]JSONField)
}
