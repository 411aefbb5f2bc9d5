package record

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Kind determines how a field's values are compared and stored in an index.
type Kind uint8

// The kinds. Null is the kind of an absent value: a nil pointer or list, the zero
// time, an empty reference. Objects are stored, but a condition can only compare them
// with null.
const (
	Null Kind = iota
	Bool
	Int
	Uint
	Float
	String
	Time
	List
	Object
)

var kindNames = [...]string{"null", "bool", "int", "uint", "float", "string", "time", "list", "object"}

func (k Kind) String() string { return kindNames[k] }

// withArticle returns the kind's name with an indefinite article.
func (k Kind) withArticle() string {
	if k == Int || k == Object {
		return "an " + k.String()
	}
	return "a " + k.String()
}

// A Value is one value of a field. Values are comparable with ==, so a Value can be a
// map key. The zero Value is null.
type Value struct {
	kind Kind
	bits uint64
	text string
}

// BoolValue returns the value of a bool.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, bits: 1}
	}
	return Value{kind: Bool}
}

// IntValue returns the value of a signed integer.
func IntValue(i int64) Value { return Value{kind: Int, bits: uint64(i)} }

// UintValue returns the value of an unsigned integer.
func UintValue(u uint64) Value { return Value{kind: Uint, bits: u} }

// FloatValue returns the value of a float. It turns -0 into 0.
func FloatValue(f float64) Value { return Value{kind: Float, bits: math.Float64bits(f + 0)} }

// StringValue returns the value of a string.
func StringValue(s string) Value { return Value{kind: String, text: s} }

// TimeValue returns the value of a time, to the microsecond. The zero time is null.
func TimeValue(t time.Time) Value {
	if t.IsZero() {
		return Value{}
	}
	return Value{kind: Time, bits: uint64(t.UnixMicro())}
}

// Kind returns the value's kind.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether the value is absent.
func (v Value) IsNull() bool { return v.kind == Null }

// Text returns the text of a string, "" for other kinds.
func (v Value) Text() string { return v.text }

// Compare orders values: null first, then by kind, then by value, strings by bytes.
func (v Value) Compare(w Value) int {
	if v.kind != w.kind {
		return cmp.Compare(v.kind, w.kind)
	}
	switch v.kind {
	case String:
		return strings.Compare(v.text, w.text)
	case Int, Time:
		return cmp.Compare(int64(v.bits), int64(w.bits))
	case Float:
		return cmp.Compare(math.Float64frombits(v.bits), math.Float64frombits(w.bits))
	default:
		return cmp.Compare(v.bits, w.bits)
	}
}

// AppendKey appends an encoding of v to dst. Encodings sort as [Value.Compare] does,
// and none is a prefix of another, so more data can follow.
func (v Value) AppendKey(dst []byte) []byte {
	dst = append(dst, byte(v.kind)+1)
	switch v.kind {
	case Null:
		return dst
	case Bool:
		return append(dst, byte(v.bits))
	case Int, Time:
		return binary.BigEndian.AppendUint64(dst, v.bits^1<<63)
	case Float:
		if v.bits>>63 == 0 {
			return binary.BigEndian.AppendUint64(dst, v.bits|1<<63)
		}
		return binary.BigEndian.AppendUint64(dst, ^v.bits)
	case String:
		for i := range len(v.text) {
			dst = append(dst, v.text[i])
			if v.text[i] == 0 {
				dst = append(dst, 0xff)
			}
		}
		return append(dst, 0, 1)
	default:
		return binary.BigEndian.AppendUint64(dst, v.bits)
	}
}

// Any returns the value as a Go value: nil, bool, int64, uint64, float64, string or
// time.Time.
func (v Value) Any() any {
	switch v.kind {
	case Bool:
		return v.bits == 1
	case Int:
		return int64(v.bits)
	case Uint:
		return v.bits
	case Float:
		return math.Float64frombits(v.bits)
	case String:
		return v.text
	case Time:
		return time.UnixMicro(int64(v.bits)).UTC()
	default:
		return nil
	}
}

// String returns the value for display.
func (v Value) String() string {
	switch v.kind {
	case Null:
		return "null"
	case String:
		return strconv.Quote(v.text)
	case Time:
		return v.Any().(time.Time).Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(v.Any())
	}
}
