package route

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A jsonField is a field of a struct's JSON: its own, or one of an embedded struct.
type jsonField struct {
	reflect.StructField
	JSONName      string
	index         []int
	BehindPointer bool // of an embedded struct that may be missing
}

// JSONFields returns the fields that encoding/json writes, by its rules: of several
// with one name that which is embedded least deeply, or that alone which is named
// by a tag, or none.
func JSONFields(t reflect.Type) []jsonField {
	found := map[string]*jsonField{}
	seen := map[reflect.Type]bool{}
	for level := []jsonField{{StructField: reflect.StructField{Type: t}}}; len(level) > 0; {
		var deeper []jsonField
		here := map[string][]jsonField{}
		for _, at := range level {
			if seen[at.inner()] {
				continue
			}
			seen[at.inner()] = true
			for m := range at.own {
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
	var out []jsonField
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if found[name] != nil {
			out = append(out, *found[name])
		}
	}
	slices.SortFunc(out, func(a, b jsonField) int { return slices.Compare(a.index, b.index) })
	return out
}

// inner is the type of the field, or what that points to.
func (m jsonField) inner() reflect.Type {
	if m.Type.Kind() == reflect.Pointer {
		return m.Type.Elem()
	}
	return m.Type
}

// embedded reports whether the fields of m stand in its place.
func (m jsonField) embedded() bool {
	return m.Anonymous && m.tag() == "" && m.inner().Kind() == reflect.Struct
}

func (m jsonField) tag() string {
	name, _, _ := strings.Cut(m.Tag.Get("json"), ",")
	return name
}

// own yields the fields of the struct that m is, as JSON sees them.
func (m jsonField) own(yield func(jsonField) bool) {
	for i := range m.inner().NumField() {
		field := jsonField{StructField: m.inner().Field(i), index: append(slices.Clone(m.index), i), BehindPointer: m.BehindPointer}
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

func dominant(rivals []jsonField) *jsonField {
	if len(rivals) > 1 {
		rivals = slices.DeleteFunc(rivals, func(m jsonField) bool { return m.tag() == "" })
	}
	if len(rivals) != 1 {
		return nil
	}
	return &rivals[0]
}
