package record

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Most stored records are asked for one or two values: those by which a query leaves them out.
// These are read from the JSON, which takes an eighth of the time that decoding takes. An image
// that is asked for more values is decoded.
const maxPeeks = 4

// canPeek reports whether a field's value can be read from JSON without encoding/json.
func (f *Field) canPeek() bool {
	escaped := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) }
	return f.Kind < List && f.File == nil && !f.opaque() && !hasCodec(f.typ) && !strings.ContainsFunc(f.Name, escaped)
}

// peek returns a field's value from the JSON of an image that fits its model. It returns false
// where it is not sure that encoding/json would read the same.
func (i *Image) peek(f *Field) (v Value, ok bool) {
	var found []byte
	for _, object := range [...][]byte{i.JSON, i.Private} {
		if object == nil {
			continue
		}
		member, ok := memberOf(object, f.Name)
		if !ok {
			return Value{}, false
		}
		if member != nil {
			found = member
		}
	}
	if found == nil || string(found) == "null" {
		return f.zero, true
	}
	return f.parseMember(found)
}

// parseMember returns the value that a member of a stored record has in the field.
func (f *Field) parseMember(data []byte) (v Value, ok bool) {
	var err error
	switch f.Kind {
	case Bool:
		v, ok = BoolValue(data[0] == 't'), data[0] == 't' || data[0] == 'f'
		return v, ok
	case String:
		text, ok := textOf(data)
		if text == "" && f.Ref != "" {
			return Value{}, ok
		}
		return StringValue(text), ok
	case Int:
		var n int64
		n, err = strconv.ParseInt(string(data), 10, f.bits())
		v = IntValue(n)
	case Uint:
		var n uint64
		n, err = strconv.ParseUint(string(data), 10, f.bits())
		v = UintValue(n)
	case Float:
		var n float64
		n, err = strconv.ParseFloat(string(data), f.bits())
		v = FloatValue(n)
	case Time:
		var at time.Time
		err = at.UnmarshalJSON(data)
		v = TimeValue(at)
	default:
		return Value{}, false
	}
	return v, err == nil
}

// bits returns how many bits a number in the field has.
func (f *Field) bits() int {
	if f.pointer {
		return f.typ.Elem().Bits()
	}
	return f.typ.Bits()
}

func textOf(data []byte) (string, bool) {
	if isBare(data) {
		return string(data[1 : len(data)-1]), true
	}
	var text string
	err := json.Unmarshal(data, &text)
	return text, err == nil
}

// memberOf returns a member of a compact JSON object, nil if it has none. It returns false if
// the object has another form, or names that only differ in case.
func memberOf(object []byte, name string) (member []byte, ok bool) {
	if len(object) < 2 || object[0] != '{' {
		return nil, false
	}
	if object[1] == '}' {
		return nil, len(object) == 2
	}
	for at := 1; ; {
		if object[at] != '"' {
			return nil, false
		}
		n := bytes.IndexByte(object[at+1:], '"')
		from := at + 1 + n + 2 // of the value, behind the quote and the colon
		if n < 0 || from >= len(object) || object[from-1] != ':' {
			return nil, false
		}
		key, size := object[at+1:at+1+n], valueSize(object[from:])
		if at = from + size + 1; size == 0 || at > len(object) {
			return nil, false
		}
		switch {
		case string(key) == name:
			member = object[from : from+size]
		case !plainKey(key) || len(key) == len(name) && strings.EqualFold(string(key), name):
			return nil, false
		}
		switch end := object[at-1]; {
		case end == '}':
			return member, at == len(object)
		case end != ',' || at == len(object):
			return nil, false
		}
	}
}

// plainKey reports whether a name in JSON is what it looks like.
func plainKey(key []byte) bool {
	for _, c := range key {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// valueSize returns how many bytes the compact value takes that data begins with; 0 if it has
// another form.
func valueSize(data []byte) int {
	switch data[0] {
	case '"':
		return stringSize(data)
	case '{', '[':
		depth := 0
		for at := 0; at < len(data); at++ {
			switch data[at] {
			case '"':
				n := stringSize(data[at:])
				if n == 0 {
					return 0
				}
				at += n - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
		}
		return 0
	}
	for at, c := range data {
		switch {
		case c == ',' || c == '}':
			return at
		case c <= ' ' || c == '"':
			return 0
		}
	}
	return 0
}

// stringSize returns how many bytes the string takes that data begins with; 0 if it does not end.
func stringSize(data []byte) int {
	for at := 1; ; {
		n := bytes.IndexByte(data[at:], '"')
		if n < 0 {
			return 0
		}
		at += n + 1
		slashes := 0
		for data[at-2-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return at
		}
	}
}
