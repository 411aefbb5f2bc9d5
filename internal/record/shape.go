package record

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// The largest and the smallest integer that a JavaScript number, and so JSON in a
// browser, represents exactly.
const (
	maxSafe = 1<<53 - 1
	minSafe = -maxSafe
)

// Shape describes how the field's values look in JSON, for clients that compare them:
// the name of the kind; "ref" for a reference, where "" is null; or "[]" and the name
// of the elements' kind. A "?" follows if the value may be null. A client can compare
// an "object" only with null, and an "any" with nothing, because the field's type has
// a JSON encoding of its own.
func (f *Field) Shape() string {
	shape := f.TypeName()
	switch {
	case f.opaque():
		return "any"
	case f.Kind == List:
		return "[]" + f.Elem.String()
	case f.Kind == Object:
		return "object"
	case f.pointer:
		shape += "?"
	}
	return shape
}

var (
	rawType           = reflect.TypeFor[json.RawMessage]()
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// opaque reports whether the field's JSON differs from its kind's.
func (f *Field) opaque() bool {
	base := f.typ
	if f.pointer {
		base = base.Elem()
	}
	if f.Kind == List {
		base = base.Elem()
	}
	_, options, _ := strings.Cut(f.tag, ",")
	for option := range strings.SplitSeq(options, ",") {
		if option == "string" && f.Kind != Int && f.Kind != Uint {
			return true
		}
	}
	if base == timeType || f.File != nil {
		return false
	}
	own := reflect.PointerTo(base)
	if own.Implements(marshalerType) || own.Implements(textMarshalerType) {
		return true
	}
	// The store treats the zero value of these as null, JSON does not.
	return f.Kind == Object && !f.pointer && (base.Kind() == reflect.Struct || base.Kind() == reflect.Array)
}

// JSON returns the field's value v for a JSON encoder: an integer that JavaScript
// cannot represent becomes a string of digits, and a time is in UTC.
func (f *Field) JSON(v Value) any {
	switch v.kind {
	case Int:
		if i := int64(v.bits); i > maxSafe || i < minSafe {
			return strconv.FormatInt(i, 10)
		}
	case Uint:
		if v.bits > maxSafe {
			return strconv.FormatUint(v.bits, 10)
		}
	case Float:
		if f.layout == reflect.Float32 {
			return json.Number(strconv.FormatFloat(v.Any().(float64), 'g', -1, 32))
		}
	case Time:
		return v.Any().(time.Time).Format(time.RFC3339Nano)
	}
	return v.Any()
}
