package record

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

type kinds struct {
	Record
	Int     int8           `json:"int"`
	Uint    uint32         `json:"uint"`
	Float   float64        `json:"float"`
	Float32 float32        `json:"float32"`
	Bool    bool           `json:"bool"`
	String  string         `json:"string"`
	Time    time.Time      `json:"time"`
	Maybe   *int           `json:"maybe"`
	Ref     ID             `json:"ref" tower:"ref=kinds"`
	List    []string       `json:"list"`
	Times   []time.Time    `json:"times"`
	Object  map[string]int `json:"object"`
	Bytes   []byte         `json:"bytes"`
}

func TestParse(t *testing.T) {
	m := mustModel(t, "kinds", &kinds{})
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	three := 3
	type text string
	for _, c := range []struct {
		field string
		in    any
		want  Value
		err   string
	}{
		{"int", 3, IntValue(3), ""},
		{"int", uint8(3), IntValue(3), ""},
		{"int", 3.0, IntValue(3), ""},
		{"int", json.Number("3"), IntValue(3), ""},
		{"int", json.Number("3e2"), IntValue(300), ""},
		{"int", json.Number("-9223372036854775808"), IntValue(math.MinInt64), ""},
		{"int", &three, IntValue(3), ""},
		{"int", (*int)(nil), Value{}, ""},
		{"int", nil, Value{}, ""},
		{"int", 3.5, Value{}, "int is an int; 3.5 is not"},
		{"int", json.Number("3.5"), Value{}, "int is an int; 3.5 is not"},
		{"int", json.Number("1e400"), Value{}, "int is an int; 1e400 is not"},
		{"int", uint64(math.MaxUint64), Value{}, "int is an int; 18446744073709551615 is not"},
		{"int", "3", Value{}, `int is an int; "3" is not`},
		{"int", 1e19, Value{}, "int is an int; 10000000000000000000 is not"},
		{"uint", 3, UintValue(3), ""},
		{"uint", json.Number("18446744073709551615"), UintValue(math.MaxUint64), ""},
		{"uint", -3, Value{}, "uint is a uint; -3 is not"},
		{"uint", json.Number("-3"), Value{}, "uint is a uint; -3 is not"},
		{"float", 3, FloatValue(3), ""},
		{"float", json.Number("0.1"), FloatValue(0.1), ""},
		{"float", float32(0.5), FloatValue(0.5), ""},
		{"float", true, Value{}, "float is a float; true is not"},
		{"float", math.NaN(), Value{}, "float is a float; NaN is not"},
		{"float32", 0.1, FloatValue(float64(float32(0.1))), ""},
		{"bool", true, BoolValue(true), ""},
		{"bool", 1, Value{}, "bool is a bool; 1 is not"},
		{"string", text("a"), StringValue("a"), ""},
		{"string", json.Number("1"), Value{}, "string is a string; 1 is not"},
		{"time", noon.In(time.FixedZone("here", 3600)), TimeValue(noon), ""},
		{"time", "2026-11-22T13:00:00+01:00", TimeValue(noon), ""},
		{"time", "noon", Value{}, `time is a time; "noon" is not`},
		{"maybe", 3, IntValue(3), ""},
		{"ref", "", Value{}, ""},
		{"ref", ID("x"), StringValue("x"), ""},
		{"list", "a", StringValue("a"), ""},
		{"list", 1, Value{}, "each of list is a string; 1 is not"},
		{"times", noon, TimeValue(noon), ""},
		{"object", nil, Value{}, ""},
		{"object", map[string]int{}, Value{}, "object is an object; {} is not"},
		{"bytes", "YQ==", Value{}, `bytes is an object; "YQ==" is not`},
	} {
		got, err := m.Field(c.field).Parse(c.in)
		if gotErr := errorText(err); got != c.want || gotErr != c.err {
			t.Errorf("%s of %#v is %s, %q; not %s, %q", c.field, c.in, got, gotErr, c.want, c.err)
		}
	}
}
