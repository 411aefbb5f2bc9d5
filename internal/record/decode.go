package record

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A ValueError reports why a JSON value does not fit a field.
type ValueError struct {
	Path    string // of the member that does not fit, within the value: "lines.2.price"; "" is the value
	Problem string // follows the name of the field: "is not a string"
}

func (e *ValueError) Error() string { return strings.TrimSpace(e.Path + " " + e.Problem) }

// at returns the error for a value in which the member name does not fit.
func (e *ValueError) at(name string) *ValueError {
	if e == nil {
		return nil
	}
	e.Path = strings.TrimSuffix(name+"."+e.Path, ".")
	return e
}

func misfit(format string, args ...any) *ValueError {
	return &ValueError{Problem: fmt.Sprintf(format, args...)}
}

// DecodeInput sets target, a field of an input, from JSON. A pointer is a field that
// may be left out: the value goes behind it, so null must be a value of the type that
// it points to. A *int cannot be null, and a **int can. The error is a [*ValueError].
func DecodeInput(target reflect.Value, data json.RawMessage) error {
	clears := Clears(target.Type())
	if target.Kind() != reflect.Pointer {
		return decoded(decodeWhole(target, data, clears))
	}
	value := reflect.New(target.Type().Elem())
	if err := decodeWhole(value.Elem(), data, clears); err != nil {
		return err
	}
	target.Set(value)
	return nil
}

// Clears reports whether null may be sent for a field of type t of an input: see
// [DecodeInput].
func Clears(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return Nullable(t)
}

// DecodeValue sets target, a field of a record, from JSON. The error is a
// [*ValueError].
func DecodeValue(target reflect.Value, data json.RawMessage) error {
	return decoded(decodeWhole(target, data, true))
}

func decoded(err *ValueError) error {
	if err == nil {
		return nil
	}
	return err
}

func decodeWhole(target reflect.Value, data json.RawMessage, null bool) *ValueError {
	if problem := textProblem(data); problem != "" {
		return misfit("%s", problem)
	}
	if !null && isNull(data) {
		return misfit("cannot be null")
	}
	return decodeValue(target, data)
}

func isNull(data []byte) bool { return string(bytes.TrimSpace(data)) == "null" }

// Nullable reports whether null is a value of type t: for pointers, lists, maps and
// interfaces, and for times and references, whose zero value is null.
func Nullable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	}
	return t == timeType || t == idType || reflect.PointerTo(t).Implements(unmarshalerType)
}

var (
	unmarshalerType     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decodeValue is json.Unmarshal, except that null must be a value of the type, that
// an integer may be a string of its digits, and that an object must not have members
// that the struct does not name.
func decodeValue(target reflect.Value, data json.RawMessage) *ValueError {
	t := target.Type()
	if isNull(data) {
		if !Nullable(t) {
			return misfit("cannot be null")
		}
		target.SetZero()
		if reflect.PointerTo(t).Implements(unmarshalerType) && t != timeType {
			return unmarshal(target, data)
		}
		return nil
	}
	switch {
	case t.Kind() == reflect.Pointer:
		value := reflect.New(t.Elem())
		if err := decodeValue(value.Elem(), data); err != nil {
			return err
		}
		target.Set(value)
		return nil
	case t == timeType:
		return decodeTime(target, data)
	case reflect.PointerTo(t).Implements(unmarshalerType), reflect.PointerTo(t).Implements(textUnmarshalerType):
		return unmarshal(target, data)
	case target.CanInt(), target.CanUint(), target.CanFloat():
		return decodeNumber(target, data)
	case t.Kind() == reflect.String && isBare(data):
		target.SetString(string(data[1 : len(data)-1]))
		return nil
	case t.Kind() == reflect.Struct:
		return decodeStruct(target, data)
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		return decodeList(target, data)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		return decodeMap(target, data)
	}
	return unmarshal(target, data)
}

// isBare reports whether data is JSON of a string that stands for its own bytes.
func isBare(data []byte) bool {
	if len(data) < 2 || data[0] != '"' || data[len(data)-1] != '"' || !utf8.Valid(data) {
		return false
	}
	for _, c := range data[1 : len(data)-1] {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func unmarshal(target reflect.Value, data json.RawMessage) *ValueError {
	value := reflect.New(target.Type())
	if json.Unmarshal(data, value.Interface()) != nil {
		return misfit("%s", TypeProblem(target.Type()))
	}
	target.Set(value.Elem())
	return nil
}

// decodeNumber reads a number. A whole number may be a string of its digits, because
// a browser's numbers cannot hold every int64.
func decodeNumber(target reflect.Value, data json.RawMessage) *ValueError {
	text := string(bytes.TrimSpace(data))
	if text[0] == '"' && !target.CanFloat() {
		var digits string
		if json.Unmarshal(data, &digits) != nil {
			return misfit("%s", TypeProblem(target.Type()))
		}
		text = digits
	}
	if err := SetNumber(target, text); err != nil {
		return misfit("%v", err)
	}
	return nil
}

func decodeTime(target reflect.Value, data json.RawMessage) *ValueError {
	var at time.Time
	if json.Unmarshal(data, &at) != nil {
		return misfit("is not a time")
	}
	target.Set(reflect.ValueOf(at))
	return nil
}

func decodeStruct(target reflect.Value, data json.RawMessage) *ValueError {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return misfit("is not an object")
	}
	value := reflect.New(target.Type()).Elem()
	fields := JSONFieldsByName(target.Type())
	for name, member := range members {
		f, found := fields[name]
		if !found {
			return misfit("is not a field").at(name)
		}
		field, err := f.In(value)
		if err != nil {
			return misfit("%v", err).at(name)
		}
		if err := decodeValue(field, f.Unquoted(member)); err != nil {
			return err.at(name)
		}
	}
	target.Set(value)
	return nil
}

func decodeList(target reflect.Value, data json.RawMessage) *ValueError {
	var elements []json.RawMessage
	if json.Unmarshal(data, &elements) != nil {
		return misfit("is not a valid list")
	}
	list := reflect.MakeSlice(target.Type(), len(elements), len(elements))
	for i, element := range elements {
		if err := decodeValue(list.Index(i), element); err != nil {
			return err.at(strconv.Itoa(i))
		}
	}
	target.Set(list)
	return nil
}

func decodeMap(target reflect.Value, data json.RawMessage) *ValueError {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return misfit("is not an object")
	}
	made := reflect.MakeMapWithSize(target.Type(), len(members))
	for name, member := range members {
		value := reflect.New(target.Type().Elem()).Elem()
		if err := decodeValue(value, member); err != nil {
			return err.at(name)
		}
		made.SetMapIndex(reflect.ValueOf(name).Convert(target.Type().Key()), value)
	}
	target.Set(made)
	return nil
}

// TypeProblem returns the problem of a value that is not of type t. It follows the
// name of the field.
func TypeProblem(t reflect.Type) string {
	switch name := TypeName(t); {
	case name == "float":
		return "is not a number"
	case name == "int" || name == "uint":
		return "is not a whole number"
	case strings.HasPrefix(name, "[]"):
		return "is not a valid list"
	case name == "id" || name == "object":
		return "is not an " + name
	default:
		return "is not a " + name
	}
}

// TypeName returns a type's name for display: "string", "[]int", "object".
func TypeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return TypeName(t.Elem())
	}
	switch t {
	case timeType:
		return "time"
	case idType:
		return "id"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "[]" + TypeName(t.Elem())
	case reflect.Float32, reflect.Float64:
		return "float"
	case reflect.Struct, reflect.Map, reflect.Interface:
		return "object"
	}
	return strings.TrimRight(t.Kind().String(), "0123456789")
}
