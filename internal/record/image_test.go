package record

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

type everything struct {
	Record
	Text   string            `json:"text"`
	Secret string            `json:"secret" tower:"private"`
	Tags   []string          `json:"tags"`
	Marks  []float32         `json:"marks"`
	Times  []time.Time       `json:"times"`
	At     time.Time         `json:"at"`
	Maybe  *time.Time        `json:"maybe"`
	Number *int              `json:"number"`
	Map    map[string]string `json:"map"`
	Any    any               `json:"any"`
	Owner  ID                `json:"owner" tower:"ref=everything"`
	Code   string            `json:"code,omitempty" tower:"private"`
}

func TestFrozenImagesShareNothing(t *testing.T) {
	m := mustModel(t, "everything", &everything{})
	here := time.Date(2026, 11, 22, 12, 0, 0, 123_456_789, time.FixedZone("here", 3600))
	noon, number := here, 3
	record := &everything{
		Text: "text", Secret: "secret", Tags: []string{"a", "b"}, Marks: []float32{0.1}, Times: []time.Time{here},
		At: here, Maybe: &noon, Number: &number, Map: map[string]string{"k": "v"}, Any: []any{1.0},
	}
	image, err := m.Freeze(record, nil)
	if err != nil {
		t.Fatal(err)
	}
	if record.At != here || noon != here || record.Times[0] != here {
		t.Error("freezing wrote to the application's record")
	}
	public, private := string(image.JSON), string(image.Private)
	record.Tags[0], record.Times[0], noon, number, record.Map["k"] = "x", time.Time{}, time.Time{}, 7, "x"
	record.Any.([]any)[0] = 7.0
	copied, err := image.Copy()
	if err != nil {
		t.Fatal(err)
	}
	own := copied.(*everything)
	own.Tags[1], own.Map["k"] = "y", "y"

	frozen, err := image.Record()
	if err != nil {
		t.Fatal(err)
	}
	got := frozen.(*everything)
	want := here.UTC().Truncate(time.Microsecond)
	if !slices.Equal(got.Tags, []string{"a", "b"}) || *got.Number != 3 || got.Map["k"] != "v" || got.Any.([]any)[0] != 1.0 {
		t.Errorf("the image is %s", jsonText(got))
	}
	if got.At != want || *got.Maybe != want || got.Times[0] != want {
		t.Errorf("the times are %s, %s and %s", got.At, got.Maybe, got.Times)
	}
	if string(image.JSON) != public || string(image.Private) != private {
		t.Error("the image's JSON has changed")
	}
}

func TestPrivateFieldsAreKeptApart(t *testing.T) {
	m := mustModel(t, "everything", &everything{})
	image, err := m.Freeze(&everything{Text: "text", Secret: "hush", Code: "1234"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(image.JSON), "hush") || strings.Contains(string(image.JSON), "1234") || strings.Contains(string(image.JSON), "secret") {
		t.Errorf("what is sent is %s", image.JSON)
	}
	if got := string(image.Private); got != `{"secret":"hush","code":"1234"}` {
		t.Errorf("what is not sent is %s", got)
	}
	if got := image.Value(m.Field("secret")); got != StringValue("hush") {
		t.Errorf("the secret is %s", got)
	}
	users := mustModel(t, "users", &user{})
	if image, err = users.Freeze(&user{Name: "Ada", Email: "a", Hash: "h"}, nil); err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"","createdAt":"0001-01-01T00:00:00Z","updatedAt":"0001-01-01T00:00:00Z","name":"Ada","email":"a"}`
	if string(image.JSON) != want {
		t.Errorf("the fields are not in order: %s", image.JSON)
	}
}

func TestImageValues(t *testing.T) {
	m := mustModel(t, "everything", &everything{})
	empty, err := m.Freeze(&everything{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	full, err := m.Freeze(&everything{Tags: []string{}, Number: &number, Owner: "x", Map: map[string]string{}, Any: 1, At: time.UnixMicro(7), Marks: []float32{0.1, 2}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Fields {
		null := f.Name != "id" && f.Kind != String || f.Ref != ""
		if empty.Value(f).IsNull() != null {
			t.Errorf("%s of an empty record is %s", f.Name, empty.Value(f))
		}
	}
	for name, want := range map[string]Value{
		"tags": {kind: List}, "number": IntValue(0), "owner": StringValue("x"), "map": {kind: Object}, "any": {kind: Object},
		"at": TimeValue(time.UnixMicro(7)), "maybe": {},
	} {
		if got := full.Value(m.Field(name)); got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
	var marks []Value
	full.Each(m.Field("marks"), func(v Value) bool {
		marks = append(marks, v)
		return len(marks) < 2
	})
	if parsed, err := m.Field("marks").Parse(0.1); err != nil || len(marks) != 2 || marks[0] != parsed {
		t.Errorf("the marks are %v, %v", marks, err)
	}
	full.Each(m.Field("text"), func(Value) bool { t.Error("a string has elements"); return true })
}

func TestWhatCannotBeEncoded(t *testing.T) {
	type ratio struct {
		Record
		Ratio float64 `json:"ratio"`
	}
	m := mustModel(t, "ratios", &ratio{})
	if _, err := m.Freeze(&ratio{Record: Record{ID: "x"}, Ratio: math.NaN()}, nil); errorText(err) != "ratios: ratio is not a number" {
		t.Error(err)
	}
	if _, err := m.Freeze(&post{}, nil); errorText(err) != "a *record.post is not a record of ratios" {
		t.Error(err)
	}
	if _, err := m.Header(ratio{}); errorText(err) != "a record.ratio is not a record of ratios" {
		t.Error(err)
	}
}

// A record that an older struct stored: the fields that fit have their values.
func TestImagesThatDoNotFit(t *testing.T) {
	m := mustModel(t, "everything", &everything{})
	image := &Image{Model: m, ID: "x", JSON: []byte(`{"id":"x","text":7,"at":"noon","tags":["a"],"gone":1}`), Private: []byte(`{"secret":"s"}`)}
	if _, err := image.Record(); err == nil || !strings.HasPrefix(err.Error(), "everything/x does not fit everything: ") {
		t.Error(err)
	}
	if _, err := image.Copy(); err == nil {
		t.Error("it was copied")
	}
	for name, want := range map[string]Value{"text": {}, "at": {}, "tags": {kind: List}, "secret": StringValue("s")} {
		if got := image.Value(m.Field(name)); got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
}

func TestImagesAreForConcurrentUse(t *testing.T) {
	m := mustModel(t, "posts", &post{})
	frozen, err := m.Freeze(&post{Title: "t", Tags: []string{"a"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	image := &Image{Model: m, JSON: frozen.JSON}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if image.Value(m.Field("title")) != StringValue("t") {
				t.Error("another title")
			}
			image.Each(m.Field("tags"), func(v Value) bool { return true })
			if _, err := image.Copy(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

type numbers struct {
	Record
	I   int     `json:"i"`
	I8  int8    `json:"i8"`
	I16 int16   `json:"i16"`
	I32 int32   `json:"i32"`
	I64 int64   `json:"i64"`
	U   uint    `json:"u"`
	U8  uint8   `json:"u8"`
	U16 uint16  `json:"u16"`
	U32 *uint32 `json:"u32"`
	U64 uint64  `json:"u64"`
	F32 float32 `json:"f32"`
	F64 float64 `json:"f64"`
	B   []bool  `json:"b"`
}

func TestNumbersOfAllSizes(t *testing.T) {
	m := mustModel(t, "numbers", &numbers{})
	u32 := uint32(math.MaxUint32)
	for _, n := range []*numbers{
		{I: math.MinInt, I8: math.MinInt8, I16: math.MinInt16, I32: math.MinInt32, I64: math.MinInt64, F32: -0.5, F64: -math.MaxFloat64},
		{I: math.MaxInt, I8: math.MaxInt8, I16: math.MaxInt16, I32: math.MaxInt32, I64: math.MaxInt64,
			U: math.MaxUint, U8: math.MaxUint8, U16: math.MaxUint16, U32: &u32, U64: math.MaxUint64, F32: math.MaxFloat32, F64: math.MaxFloat64},
	} {
		image, err := m.Freeze(n, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]Value{
			"i": IntValue(int64(n.I)), "i8": IntValue(int64(n.I8)), "i16": IntValue(int64(n.I16)), "i32": IntValue(int64(n.I32)), "i64": IntValue(n.I64),
			"u": UintValue(uint64(n.U)), "u8": UintValue(uint64(n.U8)), "u16": UintValue(uint64(n.U16)), "u64": UintValue(n.U64), "u32": {},
			"f32": FloatValue(float64(n.F32)), "f64": FloatValue(n.F64),
		}
		if n.U32 != nil {
			want["u32"] = UintValue(uint64(*n.U32))
		}
		for name, value := range want {
			if got := image.Value(m.Field(name)); got != value {
				t.Errorf("%s is %s, not %s", name, got, value)
			}
		}
	}
}
