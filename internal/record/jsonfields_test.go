package record

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"
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
			Record
			ID `json:"other"`
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
