package tables

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A jsonCodec is that of a column of jsonb. PostgreSQL orders the members of objects and
// spells numbers its own way; [jsonbText] knows how.
type jsonCodec struct{}

func (jsonCodec) params() []string           { return []string{"text[]"} }
func (jsonCodec) write(from []string) string { return "nullif(" + from[0] + ", '')::jsonb" }
func (jsonCodec) read(name string) string    { return name + "::text" }
func (jsonCodec) list() values               { return &jsonValues{} }
func (jsonCodec) cell() cell                 { return &jsonCell{} }

type jsonValues struct{ all []string } // "" is null

func (l *jsonValues) params() []any { return []any{l.all} }
func (l *jsonValues) cut(n int)     { l.all = l.all[:n] }

func (l *jsonValues) add(field reflect.Value, raw json.RawMessage) bool {
	text, holds := "", true
	if len(raw) > 0 && string(raw) != "null" {
		text, holds = jsonbText(raw)
	}
	l.all = append(l.all, text)
	held := &text
	if text == "" {
		held = nil
	}
	return (&jsonCell{held}).set(field) == nil && holds
}

type jsonCell struct{ value *string }

func (c *jsonCell) dest() any { return &c.value }

func (c *jsonCell) set(field reflect.Value) error {
	field.SetZero()
	if c.value == nil {
		return nil
	}
	own := reflect.New(field.Type())
	err := json.Unmarshal([]byte(*c.value), own.Interface())
	if err == nil {
		field.Set(own.Elem())
	}
	return err
}

// jsonbText returns JSON as a column of jsonb returns it, but for spaces. If the column
// cannot hold it, jsonbText returns false, and the nearest value, or "" if there is none.
func jsonbText(raw json.RawMessage) (text string, holds bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return "", false
	}
	w := jsonbWriter{holds: true}
	w.value(value)
	if w.none {
		return "", false
	}
	return w.String(), w.holds
}

type jsonbWriter struct {
	strings.Builder
	holds bool // everything so far
	none  bool // there is no nearest value
}

func (w *jsonbWriter) value(v any) {
	switch v := v.(type) {
	case map[string]any:
		w.object(v)
	case []any:
		w.WriteByte('[')
		for i, element := range v {
			if i > 0 {
				w.WriteByte(',')
			}
			w.value(element)
		}
		w.WriteByte(']')
	case string:
		w.text(v)
	case json.Number:
		number, ok := numericText(v.String())
		w.none = w.none || !ok
		w.WriteString(number)
	case bool:
		w.WriteString(strconv.FormatBool(v))
	default:
		w.WriteString("null")
	}
}

func (w *jsonbWriter) object(members map[string]any) {
	names := slices.SortedFunc(maps.Keys(members), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	w.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			w.WriteByte(',')
		}
		w.text(name)
		w.WriteByte(':')
		w.value(members[name])
	}
	w.WriteByte('}')
}

func (w *jsonbWriter) text(text string) {
	held := strings.ReplaceAll(text, "\x00", "\ufffd")
	w.holds = w.holds && held == text
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(held) // a string can always be encoded, and the builder takes it; a line end is a space
}

var numberParts = regexp.MustCompile(`^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)

// maxExponent is the largest exponent of a number that is written to a column. The numbers of
// Go end at 308, and have 17 digits.
const maxExponent = 400

// numericText spells a number of JSON as a numeric of PostgreSQL.
func numericText(number string) (text string, ok bool) {
	parts := numberParts.FindStringSubmatch(number)
	if parts == nil {
		return "", false
	}
	sign, whole, fraction, exponent := parts[1], parts[2], parts[3], 0
	if parts[4] != "" {
		var err error
		if exponent, err = strconv.Atoi(parts[4]); err != nil {
			return "", false
		}
	}
	if max(exponent, -exponent, len(whole), len(fraction)) > maxExponent {
		return "", false
	}
	switch {
	case exponent > 0:
		fraction += strings.Repeat("0", max(0, exponent-len(fraction)))
		whole, fraction = whole+fraction[:exponent], fraction[exponent:]
	case exponent < 0:
		whole = strings.Repeat("0", max(0, 1-exponent-len(whole))) + whole
		whole, fraction = whole[:len(whole)+exponent], whole[len(whole)+exponent:]+fraction
	}
	whole = cmp.Or(strings.TrimLeft(whole, "0"), "0")
	if strings.Trim(whole+fraction, "0") == "" {
		sign = ""
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction, true
}
