// Package schema describes an application's models and routes by their JSON.
package schema

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/answer"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// Of describes models, and the actions, cursors and handlers of routes.
func Of(models []*record.Model, routes []*route.Route) wire.Schema {
	s := newShapes()
	out := wire.Schema{Types: []wire.NamedType{}, Models: []wire.ModelShape{}, Routes: []wire.RouteSchema{}}
	for _, m := range models {
		s.models[reflect.TypeOf(m.New()).Elem()] = m
	}
	for _, m := range models {
		out.Models = append(out.Models, wire.ModelShape{Name: m.Name, Record: s.shape(reflect.TypeOf(m.New()).Elem())})
	}
	for _, rt := range routes {
		switch {
		case rt.IsAnnounced():
			out.Routes = append(out.Routes, s.route(rt))
		case rt.Kind == route.KindHandler:
			out.Routes = append(out.Routes, wire.RouteSchema{Kind: string(rt.Kind), Name: rt.Pattern(), In: wire.Shape{Is: "any"}})
		}
	}
	for _, t := range s.named {
		out.Types = append(out.Types, *t)
	}
	slices.SortFunc(out.Types, func(a, b wire.NamedType) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// shapes describes types, and holds the named ones that it has described.
type shapes struct {
	models map[reflect.Type]*record.Model
	named  map[reflect.Type]*wire.NamedType
	names  map[string]bool
	within map[reflect.Type]bool // lists and maps being described, which may hold themselves
}

func newShapes() *shapes {
	return &shapes{models: map[reflect.Type]*record.Model{}, named: map[reflect.Type]*wire.NamedType{},
		names: map[string]bool{}, within: map[reflect.Type]bool{}}
}

func (s *shapes) route(rt *route.Route) wire.RouteSchema {
	out := wire.RouteSchema{Kind: string(rt.Kind), Name: rt.Pattern(), In: s.shape(rt.In)}
	if rt.Value {
		out.Kind = "value"
	} else {
		shape := s.shape(rt.Out)
		out.Out = &shape
	}
	for _, f := range rt.Narrow {
		out.Narrow = append(out.Narrow, f.Name)
	}
	return out
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// shape describes a type as encoding/json writes it.
func (s *shapes) shape(t reflect.Type) wire.Shape {
	pointer := reflect.PointerTo(t)
	switch {
	case t == answer.Type:
		return wire.Shape{Is: "any"}
	case t.Kind() == reflect.Pointer:
		shape := s.shape(t.Elem())
		shape.Null = true
		return shape
	case record.IsFile(t):
		return wire.Shape{Is: "file", Null: true}
	case t == reflect.TypeFor[time.Time]():
		return wire.Shape{Is: "time"}
	case t == reflect.TypeFor[record.ID]():
		return wire.Shape{Is: "id"}
	case t == reflect.TypeFor[json.Number]():
		return wire.Shape{Is: "float"}
	case t.Implements(jsonMarshaler) || pointer.Implements(jsonMarshaler):
		return wire.Shape{Is: "any"}
	case t.Implements(textMarshaler) || pointer.Implements(textMarshaler):
		return wire.Shape{Is: "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return wire.Shape{Is: "bool"}
	case reflect.Int64, reflect.Uint64, reflect.Uintptr:
		return wire.Shape{Is: "int64"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return wire.Shape{Is: "int"}
	case reflect.Float32, reflect.Float64:
		return wire.Shape{Is: "float"}
	case reflect.String:
		return wire.Shape{Is: "string"}
	case reflect.Slice, reflect.Array:
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
			return wire.Shape{Is: "string", Null: true} // in base64
		}
		return wire.Shape{Is: "list", Of: s.element(t), Null: t.Kind() == reflect.Slice}
	case reflect.Map:
		return wire.Shape{Is: "map", Of: s.element(t), Null: true}
	case reflect.Struct:
		return s.object(t)
	}
	return wire.Shape{Is: "any"}
}

func (s *shapes) element(t reflect.Type) *wire.Shape {
	if s.within[t] {
		return &wire.Shape{Is: "any"}
	}
	s.within[t] = true
	defer delete(s.within, t)
	shape := s.shape(t.Elem())
	return &shape
}

// object describes a struct. A struct type with a name is described once and then
// referred to by name.
func (s *shapes) object(t reflect.Type) wire.Shape {
	if t.Name() == "" {
		return wire.Shape{Is: "object", Fields: s.fields(t)}
	}
	if s.named[t] == nil {
		name := t.PkgPath() + "." + t.Name()
		for n := 2; s.names[name]; n++ { // types in functions may share a name
			name = fmt.Sprintf("%s.%s%d", t.PkgPath(), t.Name(), n)
		}
		s.names[name] = true
		s.named[t] = &wire.NamedType{Name: name}
		s.named[t].Fields = s.fields(t)
	}
	return wire.Shape{Is: s.named[t].Name}
}

// fields describes the fields of a struct. It omits private fields of a model.
func (s *shapes) fields(t reflect.Type) []wire.FieldShape {
	model := s.models[t]
	out := []wire.FieldShape{}
	for _, member := range record.JSONFields(t) {
		field := wire.FieldShape{Name: member.JSONName, Shape: s.shape(member.Type), Omitted: member.BehindPointer, Clear: record.Clears(member.Type)}
		if model != nil {
			stored := model.Field(member.JSONName)
			if stored == nil || stored.Private {
				continue
			}
			field.Ref = stored.Ref
		}
		options := strings.Split(member.Tag.Get("json"), ",")[1:]
		switch kind := member.Type.Kind(); {
		case slices.Contains(options, "omitzero"),
			slices.Contains(options, "omitempty") && kind != reflect.Struct && kind != reflect.Array:
			field.Omitted, field.Null = true, false
		}
		if slices.Contains(options, "string") && slices.Contains([]string{"bool", "int", "int64", "float"}, field.Is) {
			field.Is = "string"
		}
		for rule := range strings.SplitSeq(member.Tag.Get("validate"), ",") {
			field.Required = field.Required || rule == "required"
			if values, found := strings.CutPrefix(rule, "oneof="); found && field.Is == "string" && !strings.Contains(values, "'") {
				field.Values = strings.Fields(values)
			}
		}
		if len(field.Values) > 0 && strings.Contains(member.Tag.Get("validate"), "omitempty") {
			field.Values = append(field.Values, "")
		}
		out = append(out, field)
	}
	return out
}
