package record

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// Parse converts a Go value or a decoded JSON value to a [Value] that can be compared
// with the field's: one of its kind or, for a list, of its elements' kind. nil is
// null. The error states what the field takes.
func (f *Field) Parse(v any) (Value, error) {
	kind := f.Kind
	if kind == List {
		kind = f.Elem
	}
	value, ok := parse(kind, v)
	if !ok {
		return Value{}, fmt.Errorf("%s; %s is not", f.accepts(), jsonText(v))
	}
	if f.layout == reflect.Float32 && value.kind == Float {
		value = FloatValue(float64(float32(value.Any().(float64))))
	}
	if f.Ref != "" && value.text == "" {
		return Value{}, nil
	}
	return value, nil
}

// ParseWhole is [Field.Parse] for a value of the whole field. A list or an object can be
// compared only with null.
func (f *Field) ParseWhole(v any) (Value, error) {
	if f.Kind < List {
		return f.Parse(v)
	}
	if r := reflect.ValueOf(v); v == nil || (r.Kind() == reflect.Pointer || r.Kind() == reflect.Slice || r.Kind() == reflect.Map) && r.IsNil() {
		return Value{}, nil
	}
	return Value{}, fmt.Errorf("%s, of type %s, can be compared only with null", f.Name, f.TypeName())
}

// accepts describes what the field takes.
func (f *Field) accepts() string {
	if f.Kind == List {
		return "each of " + f.Name + " is " + f.Elem.withArticle()
	}
	return f.Name + " is " + f.Kind.withArticle()
}

func parse(kind Kind, v any) (Value, bool) {
	if v == nil {
		return Value{}, true
	}
	if n, ok := v.(json.Number); ok {
		return parseNumber(kind, n)
	}
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return Value{}, true
		}
		return parse(kind, r.Elem().Interface())
	}
	switch {
	case kind == Time:
		return parseTime(v)
	case kind == Bool && r.Kind() == reflect.Bool:
		return BoolValue(r.Bool()), true
	case kind == String && r.Kind() == reflect.String:
		return StringValue(r.String()), true
	case kind == Int || kind == Uint || kind == Float:
		return parseNumeric(kind, r)
	}
	return Value{}, false
}

func parseNumber(kind Kind, n json.Number) (Value, bool) {
	switch kind {
	case Int:
		if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
			return IntValue(i), true
		}
	case Uint:
		if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
			return UintValue(u), true
		}
	}
	f, err := n.Float64()
	if err != nil {
		return Value{}, false
	}
	return parse(kind, f)
}

// parseNumeric converts a number to the kind if the result is the same number.
func parseNumeric(kind Kind, r reflect.Value) (Value, bool) {
	switch {
	case r.CanInt() && kind == Int:
		return IntValue(r.Int()), true
	case r.CanInt() && kind == Uint:
		return UintValue(uint64(r.Int())), r.Int() >= 0
	case r.CanUint() && kind == Uint:
		return UintValue(r.Uint()), true
	case r.CanUint() && kind == Int:
		return IntValue(int64(r.Uint())), r.Uint() <= math.MaxInt64
	case !r.CanInt() && !r.CanUint() && !r.CanFloat():
		return Value{}, false
	}
	f := r.Convert(reflect.TypeFor[float64]()).Float()
	switch kind {
	case Int:
		return IntValue(int64(f)), f == math.Trunc(f) && f >= -1<<63 && f < 1<<63
	case Uint:
		return UintValue(uint64(f)), f == math.Trunc(f) && f >= 0 && f < 1<<64
	default:
		return FloatValue(f), !math.IsNaN(f)
	}
}

func parseTime(v any) (Value, bool) {
	switch t := v.(type) {
	case time.Time:
		return TimeValue(t), true
	case string:
		at, err := time.Parse(time.RFC3339Nano, t)
		return TimeValue(at), err == nil
	}
	return Value{}, false
}

func jsonText(v any) string {
	if text, err := json.Marshal(v); err == nil {
		return string(text)
	}
	return fmt.Sprint(v)
}
