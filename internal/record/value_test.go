package record

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func drawValue(t *rapid.T) Value {
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0:
		return Value{}
	case 1:
		return BoolValue(rapid.Bool().Draw(t, "bool"))
	case 2:
		return IntValue(rapid.Int64().Draw(t, "int"))
	case 3:
		return UintValue(rapid.Uint64().Draw(t, "uint"))
	case 4:
		return FloatValue(rapid.Float64().Draw(t, "float"))
	case 5:
		bytes := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xfe, 0xff}), 0, 5)
		return StringValue(string(bytes.Draw(t, "string")))
	default:
		return TimeValue(time.UnixMicro(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "time")))
	}
}

func TestKeysSortAsValuesCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawValue(t), drawValue(t)
		x, y := a.AppendKey(nil), b.AppendKey(nil)
		if got, want := bytes.Compare(x, y), a.Compare(b); got != want {
			t.Fatalf("%s and %s compare as %d, their keys as %d", a, b, want, got)
		}
		if (a == b) != bytes.Equal(x, y) {
			t.Fatalf("%s == %s is %t, their keys are %x and %x", a, b, a == b, x, y)
		}
		if a != b && (bytes.HasPrefix(x, y) || bytes.HasPrefix(y, x)) {
			t.Fatalf("of %s and %s the one's key begins with the other's", a, b)
		}
	})
}

func TestValuesInOrder(t *testing.T) {
	ordered := []Value{
		{}, BoolValue(false), BoolValue(true),
		IntValue(math.MinInt64), IntValue(-1), IntValue(0), IntValue(1), IntValue(math.MaxInt64),
		UintValue(0), UintValue(math.MaxUint64),
		FloatValue(math.Inf(-1)), FloatValue(-1.5), FloatValue(-math.SmallestNonzeroFloat64), FloatValue(0),
		FloatValue(math.SmallestNonzeroFloat64), FloatValue(math.MaxFloat64), FloatValue(math.Inf(1)),
		StringValue(""), StringValue("\x00"), StringValue("\x00\x01"), StringValue("\x01"), StringValue("a"),
		StringValue("a\x00"), StringValue("a\x00\xff"), StringValue("a\x01"), StringValue("ab"), StringValue("é"),
		TimeValue(time.Date(1815, 12, 10, 0, 0, 0, 0, time.UTC)), TimeValue(time.UnixMicro(0)), TimeValue(time.UnixMicro(1)),
	}
	if !slices.IsSortedFunc(ordered, Value.Compare) {
		t.Error("the values do not compare in their order")
	}
	var keys [][]byte
	for _, v := range ordered {
		keys = append(keys, v.AppendKey(nil))
	}
	if !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Error("the values' keys are not in order")
	}
}

func TestEqualValuesAreOneKeyOfAMap(t *testing.T) {
	here := time.Date(2026, 11, 22, 12, 0, 0, 123_456_789, time.FixedZone("here", 3600))
	for _, pair := range [][2]Value{
		{FloatValue(math.Copysign(0, -1)), FloatValue(0)},
		{TimeValue(here), TimeValue(here.UTC().Truncate(time.Microsecond))},
		{TimeValue(time.Time{}), {}},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is not %s", pair[0], pair[1])
		}
	}
}

func TestValuesAsGoAndAsText(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 30, 0, 5000, time.UTC)
	for _, c := range []struct {
		value Value
		any   any
		text  string
	}{
		{Value{}, nil, "null"},
		{BoolValue(true), true, "true"},
		{IntValue(-3), int64(-3), "-3"},
		{UintValue(3), uint64(3), "3"},
		{FloatValue(1.5), 1.5, "1.5"},
		{StringValue("a\"b"), "a\"b", `"a\"b"`},
		{TimeValue(at), at, "2026-11-22T10:30:00.000005Z"},
	} {
		if c.value.Any() != c.any || c.value.String() != c.text {
			t.Errorf("%#v is %v and %s", c.value, c.value.Any(), c.value)
		}
	}
}

// TestStringsAreDecodedAsJSON decodes random bytes between quotes, as encoding/json does.
func TestStringsAreDecodedAsJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	pieces := []string{"a", "é", "\x00", "\n", "\x7f", `\`, `"`, `\n`, `\u00e9`, `\ud800`, `\ud83d\ude00`, "\xff", "\xe2\x82", "\u2028", " "}
	for range 20000 {
		text := `"`
		for range random.IntN(5) {
			text += pieces[random.IntN(len(pieces))]
		}
		text += `"`
		var want, got string
		valid := json.Unmarshal([]byte(text), &want) == nil && utf8.ValidString(text) && !loneSurrogate([]byte(text))
		err := DecodeInput(reflect.ValueOf(&got).Elem(), []byte(text))
		if (err == nil) != valid || valid && got != want {
			t.Fatalf("%q: %q, %v; encoding/json gives %q, valid: %t", text, got, err, want, valid)
		}
	}
}
