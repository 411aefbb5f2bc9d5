package route

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

type (
	inner   struct{ A, B int }
	Outer   struct{ B, C int }
	Renamed struct {
		A int `json:"b"`
	}
	Rival struct {
		A int `json:"A"`
	}
	Pair[T any] struct{ First, Second T }
)

// TestJSONFields compares JSONFields with what encoding/json writes.
func TestJSONFields(t *testing.T) {
	for _, value := range []any{
		struct{}{},
		struct{ inner }{},
		struct {
			inner
			A string `json:"a,omitempty"`
		}{A: "x"},
		struct {
			inner
			Outer
		}{},
		struct {
			inner
			Rival
		}{},
		struct {
			*Outer
			Renamed `json:"renamed"`
			hidden  int
			Dash    int `json:"-"`
			Minus   int `json:"-,"` //nolint:staticcheck // encoding/json names the field "-"
		}{Outer: &Outer{}},
		struct {
			Renamed
			inner
			D int
		}{},
		struct {
			record.Record
			record.ID `json:"other"`
		}{},
		Pair[inner]{},
	} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[string]any{}
		if err := json.Unmarshal(text, &keys); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range JSONFields(reflect.TypeOf(value)) {
			got = append(got, m.JSONName)
		}
		slices.Sort(got)
		if want := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, want) {
			t.Errorf("%T: got %v, encoding/json writes %v", value, got, want)
		}
	}
}

// TestInputOfEmbeddedPointer decodes the fields of an embedded struct that is nil.
func TestInputOfEmbeddedPointer(t *testing.T) {
	inputs, err := newInputs(reflect.TypeFor[struct {
		*Outer
		D int
	}]())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		body string
		want string
	}{
		{`{"B":1,"D":2}`, `{"B":1,"C":0,"D":2}`},
		{`{"D":2}`, `{"D":2}`},
	} {
		in, err := inputs.Decode(nil, json.RawMessage(test.body), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(in); string(got) != test.want {
			t.Errorf("%s: got %s, want %s", test.body, got, test.want)
		}
	}
	if _, err := newInputs(reflect.TypeFor[struct{ *inner }]()); err == nil {
		t.Error("an embedded pointer that cannot be set is not refused")
	}
}
