package tables

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// A codec converts the values of one column.
type codec interface {
	// params returns the SQL types of the parameters that have the values of several rows.
	params() []string
	// write returns the value of one row in SQL, of the names of its part of each parameter.
	write(from []string) string
	// list returns an empty list of values.
	list() values
	// read returns what the column is selected as: an expression of its quoted name.
	read(name string) string
	// cell returns a place for a value that is read.
	cell() cell
}

// values are what one column gets in several rows.
type values interface {
	// add appends the value of a field, whose stored JSON is raw. If the column cannot hold
	// the value, it appends the nearest one and returns false. It sets field to what the
	// column will return.
	add(field reflect.Value, raw json.RawMessage) (holds bool)
	// cut leaves the first n values.
	cut(n int)
	// params returns the parameters.
	params() []any
}

// A cell takes one value that is read.
type cell interface {
	// dest is what the value is scanned into.
	dest() any
	// set sets a field to the value.
	set(field reflect.Value) error
}

func (s *scalar) codec(null bool) codec {
	switch s.kind {
	case record.Bool:
		return &scalarCodec[bool]{s, null, "boolean[]", getBool, setBool}
	case record.Int:
		return &scalarCodec[int64]{s, null, "bigint[]", getInt, setInt}
	case record.Uint:
		if s.wide {
			return &scalarCodec[string]{s, null, "text[]", getWide, setWide}
		}
		return &scalarCodec[int64]{s, null, "bigint[]", getUint, setInt}
	case record.Float:
		return &scalarCodec[float64]{s, null, "double precision[]", getFloat, setFloat}
	case record.Time:
		return &scalarCodec[time.Time]{s, null, "timestamptz[]", getTime, setTime}
	default:
		return &scalarCodec[string]{s, null, "text[]", getText, setText}
	}
}

// The functions get return a value as a column holds it, and whether that is the value.

func getBool(v reflect.Value) (bool, bool)     { return v.Bool(), true }
func getInt(v reflect.Value) (int64, bool)     { return v.Int(), true }
func getUint(v reflect.Value) (int64, bool)    { return int64(v.Uint()), true }
func getWide(v reflect.Value) (string, bool)   { return strconv.FormatUint(v.Uint(), 10), true }
func getFloat(v reflect.Value) (float64, bool) { return v.Float() + 0, true }

func getTime(v reflect.Value) (time.Time, bool) {
	t := v.Interface().(time.Time)
	held := t.UTC().Truncate(time.Microsecond)
	return held, held.Equal(t)
}

func getText(v reflect.Value) (string, bool) {
	text := v.String()
	held := strings.ReplaceAll(text, "\x00", "\ufffd")
	return held, held == text
}

// The functions set set a field to a value of a column.

func setBool(v reflect.Value, b bool) error {
	v.SetBool(b)
	return nil
}

func setInt(v reflect.Value, i int64) error {
	switch {
	case v.CanInt() && !v.OverflowInt(i):
		v.SetInt(i)
	case v.CanUint() && i >= 0 && !v.OverflowUint(uint64(i)):
		v.SetUint(uint64(i))
	default:
		return fmt.Errorf("%d is out of range", i)
	}
	return nil
}

func setWide(v reflect.Value, digits string) error {
	u, err := strconv.ParseUint(digits, 10, 64)
	if err == nil {
		v.SetUint(u)
	}
	return err
}

func setFloat(v reflect.Value, f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) || v.OverflowFloat(f) {
		return fmt.Errorf("%v is out of range", f)
	}
	v.SetFloat(f + 0) // -0 is 0
	return nil
}

func setTime(v reflect.Value, t time.Time) error {
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return fmt.Errorf("%s is out of range", t)
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

func setText(v reflect.Value, text string) error {
	v.SetString(text)
	return nil
}

// A scalarCodec is that of a column with a type of its own.
type scalarCodec[T any] struct {
	scalar *scalar
	null   bool // the field is a pointer
	array  string
	get    func(reflect.Value) (T, bool)
	set    func(reflect.Value, T) error
}

func (c *scalarCodec[T]) params() []string {
	if c.null {
		return []string{c.array, "boolean[]"}
	}
	return []string{c.array}
}

func (c *scalarCodec[T]) write(from []string) string {
	value := from[0]
	if c.scalar.wide {
		value += "::numeric"
	}
	if c.null {
		return "CASE WHEN " + from[1] + " THEN NULL ELSE " + value + " END"
	}
	return value
}

func (c *scalarCodec[T]) read(name string) string {
	if !c.null { // the column may allow what the field does not
		name = "coalesce(" + name + ", " + c.scalar.zero + ")"
	}
	if c.scalar.wide {
		name += "::text"
	}
	return name
}

func (c *scalarCodec[T]) list() values {
	if c.null {
		return &optionalValues[T]{codec: c}
	}
	return &plainValues[T]{codec: c}
}

func (c *scalarCodec[T]) cell() cell {
	if c.null {
		return &optionalCell[T]{codec: c}
	}
	return &plainCell[T]{codec: c}
}

type plainValues[T any] struct {
	codec *scalarCodec[T]
	all   []T
}

func (l *plainValues[T]) add(field reflect.Value, _ json.RawMessage) bool {
	v, holds := l.codec.get(field)
	l.all = append(l.all, v)
	if !holds {
		_ = l.codec.set(field, v) // it comes from there
	}
	return holds
}

func (l *plainValues[T]) params() []any { return []any{l.all} }
func (l *plainValues[T]) cut(n int)     { l.all = l.all[:n] }

type optionalValues[T any] struct {
	codec *scalarCodec[T]
	all   []T
	nulls []bool
}

func (l *optionalValues[T]) add(field reflect.Value, _ json.RawMessage) bool {
	if field.IsNil() {
		var none T
		if l.codec.scalar.wide {
			none = any("0").(T) // it is cast
		}
		l.all, l.nulls = append(l.all, none), append(l.nulls, true)
		return true
	}
	v, holds := l.codec.get(field.Elem())
	l.all, l.nulls = append(l.all, v), append(l.nulls, false)
	if !holds {
		own := reflect.New(field.Type().Elem())
		_ = l.codec.set(own.Elem(), v) // it comes from there
		field.Set(own)
	}
	return holds
}

func (l *optionalValues[T]) params() []any { return []any{l.all, l.nulls} }
func (l *optionalValues[T]) cut(n int)     { l.all, l.nulls = l.all[:n], l.nulls[:n] }

type plainCell[T any] struct {
	codec *scalarCodec[T]
	value T
}

func (c *plainCell[T]) dest() any                     { return &c.value }
func (c *plainCell[T]) set(field reflect.Value) error { return c.codec.set(field, c.value) }

type optionalCell[T any] struct {
	codec *scalarCodec[T]
	value *T
}

func (c *optionalCell[T]) dest() any { return &c.value }

func (c *optionalCell[T]) set(field reflect.Value) error {
	if c.value == nil {
		field.SetZero()
		return nil
	}
	own := reflect.New(field.Type().Elem())
	field.Set(own)
	return c.codec.set(own.Elem(), *c.value)
}

// A bytesCodec is that of a column of bytes.
type bytesCodec struct{}

func (bytesCodec) params() []string           { return []string{"bytea[]"} }
func (bytesCodec) write(from []string) string { return from[0] }
func (bytesCodec) read(name string) string    { return name }
func (bytesCodec) list() values               { return &bytesValues{} }
func (bytesCodec) cell() cell                 { return &bytesCell{} }

type bytesValues struct{ all [][]byte }

func (l *bytesValues) add(field reflect.Value, _ json.RawMessage) bool {
	for field.Kind() == reflect.Pointer {
		if field.IsNil() {
			l.all = append(l.all, nil)
			return true
		}
		field = field.Elem()
	}
	l.all = append(l.all, field.Bytes())
	return true
}

func (l *bytesValues) params() []any { return []any{l.all} }
func (l *bytesValues) cut(n int)     { l.all = l.all[:n] }

type bytesCell struct{ value []byte }

func (c *bytesCell) dest() any { return &c.value }

func (c *bytesCell) set(field reflect.Value) error {
	field.SetZero()
	if c.value == nil {
		return nil
	}
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	field.SetBytes(append([]byte{}, c.value...))
	return nil
}
