package form

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
)

type color string

func (c color) MarshalText() ([]byte, error) { return []byte("#" + string(c)), nil }

func (c *color) UnmarshalText(text []byte) error {
	if len(text) == 0 || text[0] != '#' {
		return fmt.Errorf("%q is not a color", text)
	}
	*c = color(text[1:])
	return nil
}

type place struct {
	City string   `json:"city"`
	Tags []string `json:"tags"`
}

// everything has a field of each type that a form can show.
type everything struct {
	Text   string
	Bool   bool
	Int    int64
	Small  int8
	Uint   uint64
	Float  float64
	Single float32
	Time   time.Time
	Ref    record.ID
	Color  color
	Bytes  []byte
	Place  place
	Map    map[string]int
	Any    any
	Texts  []string
	Ints   []int64
	Floats []float64
	Times  []time.Time
	Refs   []record.ID

	NullText  *string
	NullBool  *bool
	NullInt   *int64
	NullFloat *float64
	NullTime  *time.Time
	NullTexts *[]string
}

// TestWhatNobodyTouchesStays shows random values of every type in boxes, sends the
// boxes as a browser does, and expects the same values.
func TestWhatNobodyTouchesStays(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 3000 {
		var stored everything
		v := reflect.ValueOf(&stored).Elem()
		for i := range v.NumField() {
			fill(r, v.Field(i))
			field, value := v.Type().Field(i), v.Field(i).Interface()
			for _, zone := range []*time.Location{time.UTC, time.FixedZone("", -5*3600), time.FixedZone("", 5*3600+45*60)} {
				roundTrip(t, field.Name, value, zone, r.IntN(2) == 0)
			}
		}
	}
}

func roundTrip(t *testing.T, name string, value any, zone *time.Location, oneLine bool) {
	t.Helper()
	box := Text(value, zone)
	if oneLine && !isList(reflect.TypeOf(value)) { // an <input> has no line breaks
		box = strings.NewReplacer("\r", "", "\n", "").Replace(box)
	}
	sent := url.Values{"f": {submitted(box)}}
	if kept, text, needed := Keep("f", box, value, zone); needed {
		sent.Set(kept, text)
	}
	got := reflect.New(reflect.TypeOf(value)).Elem()
	var err error
	if exact := Kept(sent, "f", got.Type()); exact != nil {
		err = record.DecodeValue(got, exact)
	} else {
		err = Set(got, sent["f"], zone)
	}
	was, _ := json.Marshal(value)
	now, _ := json.Marshal(got.Interface())
	if err != nil || string(was) != string(now) {
		t.Fatalf("%s: %s became %s by way of %v: %v", name, was, now, sent, err)
	}
}

var texts = []string{"", "a", " a ", "a\nb", "a\r\nb", "\n", "\r", "x\n\n", "ü\u2028", "0", "null", "<b>", `"`, "a\tb"}

// fill sets v to a random value, often one at an edge.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		at := time.UnixMicro(r.Int64N(4e15) - 1e15).UTC()
		if r.IntN(4) == 0 {
			at = []time.Time{{}, time.Unix(0, 0).UTC(), time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC)}[r.IntN(5)]
		}
		v.Set(reflect.ValueOf(at))
		return
	case record.ID:
		v.SetString([]string{"", string(record.NewID())}[r.IntN(2)])
		return
	case color:
		v.SetString([]string{"", "fff"}[r.IntN(2)])
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int8:
		v.SetInt(int64(r.IntN(256) - 128))
	case reflect.Int64:
		v.SetInt([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1<<53 + 1}[r.IntN(6)])
	case reflect.Uint64:
		v.SetUint([]uint64{0, math.MaxUint64, 1 << 60}[r.IntN(3)])
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, 0.1, 1e21, -1e-7, 1e6, r.NormFloat64()}[r.IntN(6)])
	case reflect.Pointer:
		if v.SetZero(); r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Slice:
		if v.SetZero(); r.IntN(4) > 0 {
			v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		}
		for i := range v.Len() {
			if v.Type().Elem().Kind() == reflect.Uint8 {
				v.Index(i).SetUint(uint64(r.IntN(256)))
			} else {
				fill(r, v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]int{texts[r.IntN(len(texts))]: r.IntN(9)}))
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{"x", 1.5, true, []any{"y"}, map[string]any{"z": 1.0}}[r.IntN(5)]))
	}
}

// TestATouchedBoxCounts changes a box that has an exact value beside it.
func TestATouchedBoxCounts(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)
	kept, text, needed := Keep("at", Text(at, time.UTC), at, time.UTC)
	if !needed {
		t.Fatal("a time with microseconds needs no exact value")
	}
	for box, want := range map[string]bool{"2026-01-02T03:04:05.123": true, "2026-01-02T03:04:05.124": false, "": false} {
		if exact := Kept(url.Values{"at": {box}, kept: {text}}, "at", reflect.TypeOf(at)); (exact != nil) != want {
			t.Errorf("%q has the exact value %s", box, exact)
		}
	}
}

func TestSet(t *testing.T) {
	for _, c := range []struct {
		target any
		values []string
		want   string // in JSON, or the problem
	}{
		{new(**int), []string{""}, `null`},
		{new(**string), []string{""}, `null`},
		{new(**string), []string{"x"}, `"x"`},
		{new(*int), []string{""}, `null`},
		{new(*string), []string{""}, `""`},
		{new(*[]string), []string{"x", "y"}, `["x","y"]`},
		{new([]string), []string{"x"}, `["x"]`},
		{new([]string), []string{""}, `[]`},
		{new(*[]string), []string{"", " ", "x", ""}, `["x"]`},
		{new([]int), []string{"1\r\n2", "3"}, `[1,2,3]`},
		{new([]int), []string{"1", "x"}, "is not a valid list: x is not a whole number"},
		{new([]float64), []string{"NaN"}, "is not a valid list: NaN is not a number"},
		{new(bool), []string{"false", "true"}, "true"},
		{new(string), []string{"a\xffb"}, "is not valid Unicode text"},
	} {
		target := reflect.ValueOf(c.target).Elem()
		got := ""
		if err := Set(target, c.values, time.UTC); err != nil {
			got = err.Error()
		} else {
			text, _ := json.Marshal(target.Interface())
			got = string(text)
		}
		if got != c.want {
			t.Errorf("%T from %q: %s, not %s", c.target, c.values, got, c.want)
		}
	}
}

// TestNumbers gives each number type what is a number in Go and nowhere else.
func TestNumbers(t *testing.T) {
	for _, text := range []string{"NaN", "nan", "Inf", "-Inf", "+Inf", "infinity", "0x10", "0x1p4", "1_000", "+1", "1e", " 1", "1 ", "١", "--1", ".", "1,5", "0b1", "0o7", "1e999"} {
		for _, target := range []any{new(int), new(int8), new(uint64), new(float64), new(float32), new(*float64), new(**int)} {
			v := reflect.ValueOf(target).Elem()
			if err := Set(v, []string{text}, time.UTC); err == nil {
				t.Errorf("a %T takes %q from a form", target, text)
			}
			quoted, _ := json.Marshal(text)
			if err := record.DecodeInput(v, quoted); err == nil {
				t.Errorf("a %T takes %s from JSON", target, quoted)
			}
		}
	}
	for text, want := range map[string]float64{"1": 1, "-1.5": -1.5, ".5": 0.5, "1e3": 1000, "007": 7, "-0": 0} {
		var got float64
		if err := Set(reflect.ValueOf(&got).Elem(), []string{text}, time.UTC); err != nil || got != want || math.Signbit(got) != math.Signbit(want) {
			t.Errorf("%q is %v: %v", text, got, err)
		}
	}
}

// A text with the rule oneof is a choice of its values, unless the view says otherwise.
func TestOneOfIsASelect(t *testing.T) {
	type ticket struct {
		State string   `json:"state" validate:"omitempty,oneof=open 'on hold' done"`
		Tags  []string `json:"tags" validate:"dive,oneof=a b"`
		Size  int      `json:"size" validate:"oneof=1 2"`
		Kind  *string  `json:"kind" validate:"required,oneof=bug wish"`
	}
	var form *State
	kind := "wish"
	for _, c := range []struct {
		name  string
		value ticket
		pairs []any
		want  string
	}{
		{"state", ticket{State: "on hold"}, nil, `<option value="on hold" selected>on hold</option>`},
		{"state", ticket{}, nil, `<option value="">—</option>` + "\n    " + `<option value="open">open</option>`},
		{"state", ticket{State: "gone"}, nil, `<option value="gone" selected hidden>gone</option>`},
		{"state", ticket{State: "open"}, []any{"type", "hidden"}, `type="hidden" value="open"`},
		{"kind", ticket{Kind: &kind}, nil, `<option value="wish" selected>wish</option>`},
		{"kind", ticket{}, nil, `<select id="kind" name="kind" required`},
		{"tags", ticket{Tags: []string{"a"}}, nil, "<textarea"},
		{"size", ticket{Size: 1}, nil, `type="number" step="1" value="1" required`},
	} {
		got, err := form.Input(c.name, c.value, c.pairs...)
		if err != nil || !strings.Contains(string(got), c.want) {
			t.Errorf("%s of %+v is\n%s\n%v; want %s", c.name, c.value, got, err, c.want)
		}
	}
}
