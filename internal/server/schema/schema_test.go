package schema

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/wire"
)

type (
	Outer struct{ B, C int }
	Tree  struct {
		Leaves []Tree           `json:"leaves"`
		ByName map[string]*Tree `json:"byName,omitempty"`
	}
	Forest []Forest
)

func TestShapes(t *testing.T) {
	object := func(fields ...wire.FieldShape) wire.Shape {
		return wire.Shape{Is: "object", Fields: append([]wire.FieldShape{}, fields...)}
	}
	field := func(name, is string) wire.FieldShape { return wire.FieldShape{Name: name, Shape: wire.Shape{Is: is}} }
	for _, test := range []struct {
		value any
		want  wire.Shape
	}{
		{struct{}{}, object()},
		{new(string), wire.Shape{Is: "string", Null: true}},
		{[]byte{}, wire.Shape{Is: "string", Null: true}},
		{[2]bool{}, wire.Shape{Is: "list", Of: &wire.Shape{Is: "bool"}}},
		{map[int]*time.Time{}, wire.Shape{Is: "map", Null: true, Of: &wire.Shape{Is: "time", Null: true}}},
		{json.RawMessage{}, wire.Shape{Is: "any"}},
		{json.Number(""), wire.Shape{Is: "float"}},
		{netip.Addr{}, wire.Shape{Is: "string"}},
		{record.ID(""), wire.Shape{Is: "id"}},
		{Forest{}, wire.Shape{Is: "list", Null: true, Of: &wire.Shape{Is: "list", Null: true, Of: &wire.Shape{Is: "any"}}}},
		{struct {
			N int64  `json:",string"`
			S string `json:"s" validate:"required,oneof=a b"`
			P *int   `json:"p,omitempty"`
			T string `validate:"omitempty,oneof=a"`
		}{}, object(
			field("N", "string"),
			wire.FieldShape{Name: "s", Shape: wire.Shape{Is: "string"}, Required: true, Values: []string{"a", "b"}},
			wire.FieldShape{Name: "p", Shape: wire.Shape{Is: "int"}, Omitted: true},
			wire.FieldShape{Name: "T", Shape: wire.Shape{Is: "string"}, Values: []string{"a", ""}},
		)},
		{struct{ *Outer }{}, object(
			wire.FieldShape{Name: "B", Shape: wire.Shape{Is: "int"}, Omitted: true},
			wire.FieldShape{Name: "C", Shape: wire.Shape{Is: "int"}, Omitted: true},
		)},
	} {
		if diff := cmp.Diff(test.want, newShapes().shape(reflect.TypeOf(test.value))); diff != "" {
			t.Errorf("%T: %s", test.value, diff)
		}
	}

	s := newShapes()
	tree := s.shape(reflect.TypeFor[*Tree]())
	if want := (wire.Shape{Is: "github.com/towerkit/tower/internal/server/schema.Tree", Null: true}); !cmp.Equal(tree, want) {
		t.Errorf("a Tree is %+v", tree)
	}
	want := &wire.NamedType{Name: tree.Is, Fields: []wire.FieldShape{
		{Name: "leaves", Shape: wire.Shape{Is: "list", Null: true, Of: &wire.Shape{Is: tree.Is}}, Clear: true},
		{Name: "byName", Shape: wire.Shape{Is: "map", Of: &wire.Shape{Is: tree.Is, Null: true}}, Omitted: true, Clear: true},
	}}
	if diff := cmp.Diff(want, s.named[reflect.TypeFor[Tree]()]); diff != "" {
		t.Error(diff)
	}
}
