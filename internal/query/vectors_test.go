package query

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
)

// The browser library also evaluates conditions and orders. testdata/vectors.jsonl defines
// their meaning for both: this test generates and reads it, and the browser's test reads
// it.

var update = flag.Bool("update", false, "write testdata/vectors.jsonl")

const vectorsFile = "testdata/vectors.jsonl"

type opaque struct{ name string }

func (o opaque) MarshalText() ([]byte, error)  { return []byte("<" + o.name + ">"), nil }
func (o *opaque) UnmarshalText(t []byte) error { o.name = string(t[1 : len(t)-1]); return nil }

// A shaped struct has a field of every shape.
type shaped struct {
	record.Record
	Flag    bool            `json:"flag"`
	MayFlag *bool           `json:"mayFlag"`
	Int     int64           `json:"int"`
	MayInt  *int64          `json:"mayInt"`
	Digits  int64           `json:"digits,string"`
	Uint    uint64          `json:"uint,omitempty"`
	Float   float64         `json:"float"`
	Single  float32         `json:"single"`
	Text    string          `json:"text,omitempty"`
	May     *string         `json:"may"`
	Owner   record.ID       `json:"owner" tower:"ref=users"`
	Time    time.Time       `json:"time"`
	MayTime *time.Time      `json:"mayTime"`
	Texts   []string        `json:"texts"`
	Ints    []int64         `json:"ints"`
	Floats  []float32       `json:"floats"`
	Flags   []bool          `json:"flags"`
	Times   []time.Time     `json:"times,omitempty"`
	Map     map[string]int  `json:"map"`
	Bytes   []byte          `json:"bytes"`
	Opaque  opaque          `json:"opaque"`
	Struct  struct{ A int } `json:"struct"`
	Not     string          `json:"not"`
	Secret  string          `json:"secret" tower:"private"`
}

var (
	// Bytes and UTF-16 order the last of these differently.
	vectorTexts  = []string{"", "A", "Z", "a", "ab", "a\x00", "b", "é", "e\u0301", "ß", "\ue000", "\ufb01", "\ufffd", "😀", "😀a", "\U0010ffff"}
	vectorInts   = []int64{0, 1, -1, 2, 1<<53 - 1, 1 << 53, 1<<53 + 1, 1<<53 + 2, -1 << 53, -1<<53 - 1, 123456789012345678, 123456789012345680, 123456789012345690, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64}
	vectorFloats = []float64{0, 0.1, -0.1, 0.3, 1, 1e17, 123456789012345680, 1e21, -1e300, 5e-324, math.MaxFloat64}
	vectorTimes  = []time.Time{{}, querytest.Epoch, querytest.Epoch.Add(time.Microsecond), querytest.Epoch.Add(500 * time.Millisecond), querytest.Epoch.Add(10 * time.Microsecond), querytest.Epoch.Add(time.Second), time.Unix(-1, 0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(3, 1, 1, 0, 0, 0, 0, time.UTC)}
	vectorIDs    = []record.ID{"", "01JDA7Q4Z3M8X2V6K9T5B1C0RW", "01JDA7Q4Z3M8X2V6K9T5B1C0RX"}
)

func some[T any](r *rand.Rand, from []T) []T {
	switch n := r.IntN(4); n {
	case 0:
		return nil
	default:
		list := make([]T, n-1)
		for i := range list {
			list[i] = querytest.Pick(r, from)
		}
		return list
	}
}

func randomShaped(r *rand.Rand) *shaped {
	x := &shaped{
		Flag: r.IntN(2) == 0, MayFlag: querytest.Maybe(r, r.IntN(2) == 0),
		Int: querytest.Pick(r, vectorInts), MayInt: querytest.Maybe(r, querytest.Pick(r, vectorInts)), Digits: querytest.Pick(r, vectorInts),
		Float: querytest.Pick(r, vectorFloats), Single: querytest.Pick(r, []float32{0, 0.1, 0.3, -1, 16777216, 1e20}),
		Text: querytest.Pick(r, vectorTexts), May: querytest.Maybe(r, querytest.Pick(r, vectorTexts)), Owner: querytest.Pick(r, vectorIDs),
		Time: querytest.Pick(r, vectorTimes), MayTime: querytest.Maybe(r, querytest.Pick(r, vectorTimes)),
		Texts: some(r, vectorTexts), Ints: some(r, vectorInts), Floats: some(r, []float32{0, 0.1, 0.3}),
		Flags: some(r, []bool{true, false}), Times: some(r, vectorTimes[1:]),
		Bytes: some(r, []byte("abc")), Opaque: opaque{querytest.Pick(r, querytest.Colors)}, Not: querytest.Pick(r, querytest.Colors), Secret: querytest.Pick(r, querytest.Colors),
	}
	if x.Uint = uint64(r.IntN(3)); r.IntN(2) == 0 {
		x.Uint = math.MaxUint64 - uint64(r.IntN(2))
	}
	if r.IntN(2) == 0 {
		x.Map = map[string]int{}
	}
	return x
}

// randomTest returns a test of one field with a random operator.
func randomTest(r *rand.Rand, m *record.Model, images []*record.Image) Condition {
	f := querytest.Pick(r, m.Fields)
	values := []record.Value{{}}
	for _, img := range images {
		if f.Kind == record.List {
			img.Each(f, func(v record.Value) bool { values = append(values, v); return true })
		} else if f.Kind != record.Object {
			values = append(values, img.Value(f))
		}
	}
	v := querytest.Pick(r, values)
	switch name := querytest.Pick(r, operatorsOf(f)); {
	case name == "exists" && f.Kind != record.Object:
		return Exists(f)
	case name == "in":
		return In(f, v, querytest.Pick(r, values), querytest.Pick(r, values))
	case f.Kind == record.List && v.IsNull(), f.Kind == record.Object && r.IntN(2) == 0:
		return Is(f, record.Value{})
	case f.Kind == record.Object:
		return Exists(f)
	case name == "not":
		return Not(Is(f, v))
	case v.IsNull():
		return Is(f, v)
	default:
		return test(byName[name], f, v)
	}
}

func randomCondition(r *rand.Rand, m *record.Model, images []*record.Image, depth int) Condition {
	if depth == 0 || r.IntN(3) == 0 {
		return randomTest(r, m, images)
	}
	var cs []Condition
	for range r.IntN(4) {
		cs = append(cs, randomCondition(r, m, images, depth-1))
	}
	switch r.IntN(3) {
	case 0:
		return And(cs...)
	case 1:
		return Or(cs...)
	default:
		return Not(randomCondition(r, m, images, depth-1))
	}
}

func anyValue(record.Value) bool { return true }

// encode returns the condition's JSON for a client, and whether it is complete.
func encode(t testing.TB, c Condition) ([]byte, bool) {
	t.Helper()
	where, whole := c.ClientJSON(anyValue)
	data, err := json.Marshal(where)
	if err != nil {
		t.Fatal(err)
	}
	return data, whole
}

func makeVectors(t *testing.T) []byte {
	m, err := record.NewModel("shaped", &shaped{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var out bytes.Buffer
	line := func(v any) {
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	shapes := map[string]string{}
	for _, f := range m.Fields {
		if !f.Private {
			shapes[f.Name] = f.Shape()
		}
	}
	line(map[string]any{"fields": shapes})
	images := make([]*record.Image, 60)
	for i := range images {
		images[i] = shapedImage(t, m, i, randomShaped(r))
		line(map[string]any{"record": json.RawMessage(images[i].JSON)})
	}
	for n := 0; n < 400; {
		c := randomCondition(r, m, images, 3)
		where, whole := encode(t, c)
		if !whole || !decides(c, images) && r.IntN(10) > 0 {
			continue
		}
		n++
		matches := []int{}
		for i, img := range images {
			if c.Match(img) {
				matches = append(matches, i)
			}
		}
		line(map[string]any{"where": json.RawMessage(where), "holds": matches})
	}
	for range 40 {
		line(randomOrder(r, m, images))
	}
	return out.Bytes()
}

// shapedImage returns a record as a client receives it.
func shapedImage(t *testing.T, m *record.Model, i int, x *shaped) *record.Image {
	x.ID = record.ID(fmt.Sprintf("01JDA7Q4Z3M8X2V6K9T5B1%04d", i*7919%60))
	x.CreatedAt = querytest.Epoch.Add(time.Duration(i) * time.Microsecond)
	data, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	whole := &record.Image{Model: m, ID: x.ID, JSON: data}
	rec, err := whole.Record()
	if err != nil {
		t.Fatal(err)
	}
	public, err := m.Public(rec)
	if err != nil {
		t.Fatal(err)
	}
	return &record.Image{Model: m, ID: x.ID, JSON: public}
}

// decides reports whether the condition is true for some of the records only.
func decides(c Condition, images []*record.Image) bool {
	first := c.Match(images[0])
	return slices.ContainsFunc(images, func(img *record.Image) bool { return c.Match(img) != first })
}

func randomOrder(r *rand.Rand, m *record.Model, images []*record.Image) any {
	scope := Scope{Model: m}
	var terms []string
	for range r.IntN(3) {
		f := querytest.Pick(r, m.Fields)
		if f.Kind >= record.List || f.Private || f.Shape() == "any" || slices.ContainsFunc(scope.Order, func(o Order) bool { return o.Field == f }) {
			continue
		}
		scope.Order = append(scope.Order, Order{f, r.IntN(2) == 0})
		terms = append(terms, scope.Order[len(scope.Order)-1].String())
	}
	at := make([]int, len(images))
	for i := range at {
		at[i] = i
	}
	slices.SortFunc(at, func(i, j int) int { return scope.Compare(images[i], images[j]) })
	return map[string]any{"order": terms, "sorted": at}
}

func TestVectorsAreCurrent(t *testing.T) {
	want := makeVectors(t)
	if *update {
		if err := os.WriteFile(vectorsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what conditions mean now; if the change is intended, run: go test ./internal/query -run Vectors -update", vectorsFile)
	}
}

// TestClientJSONMeansTheSame parses what a client receives.
func TestClientJSONMeansTheSame(t *testing.T) {
	r := querytest.Rand(t)
	m, err := record.NewModel("shaped", &shaped{})
	if err != nil {
		t.Fatal(err)
	}
	var images []*record.Image
	for i := range 40 {
		images = append(images, shapedImage(t, m, i, randomShaped(r)))
	}
	parts := 0
	for range 3000 {
		c := randomCondition(r, m, images, 4)
		where, whole := encode(t, c)
		back := mustParse(t, m, querytest.DecodeJSON(t, string(where)))
		if !whole {
			parts++
		}
		for _, img := range images {
			if is, was := back.Match(img), c.Match(img); is != was && (whole || was) {
				t.Fatalf("%s (whole %v)\nis encoded as %s\nof %s: %v, want %v", c, whole, where, img.JSON, is, was)
			}
		}
		for f := range back.Fields {
			if f.Private {
				t.Fatalf("%s is encoded as %s", c, where)
			}
		}
	}
	if parts == 0 {
		t.Error("all conditions could be encoded")
	}
}

func TestClientJSONLeavesOutWhatClientsMayNotHave(t *testing.T) {
	m, err := record.NewModel("shaped", &shaped{})
	if err != nil {
		t.Fatal(err)
	}
	owner, text := m.Field("owner"), m.Field("text")
	id := func(i int) record.Value { return record.StringValue(string(vectorIDs[i])) }
	may := func(v record.Value) bool { return v != id(2) }
	for _, c := range []struct {
		condition Condition
		want      string
		whole     bool
	}{
		{Is(owner, id(1)), `{"owner":"01JDA7Q4Z3M8X2V6K9T5B1C0RW"}`, true},
		{Is(owner, id(2)), `{}`, false},
		{Not(In(owner, id(1), id(2))), `{}`, false},
		{And(Is(owner, id(2)), Gt(text, record.StringValue("a")), Lt(text, record.StringValue("b"))), `{"text":{"gt":"a","lt":"b"}}`, false},
		{Or(Is(owner, id(2)), Is(text, record.StringValue("a"))), `{}`, false},
		{Is(m.Field("secret"), record.StringValue("a")), `{}`, false},
		{Not(Is(m.Field("secret"), record.StringValue("a"))), `{}`, false},
		{Exists(m.Field("opaque")), `{}`, false},
		{Is(m.Field("not"), record.StringValue("a")), `{}`, false},
	} {
		where, whole := c.condition.ClientJSON(may)
		data, err := json.Marshal(where)
		if err != nil || string(data) != c.want || whole != c.whole {
			t.Errorf("%s is encoded as %s, whole %v: %v", c.condition, data, whole, err)
		}
	}
}
