package form

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Text returns a value as a box shows it: "" for nil and the zero time, one line for
// each element of a list, a time in the zone as <input type="datetime-local"> has it,
// to the millisecond, and JSON for an object.
func Text(value any, zone *time.Location) string {
	v := reflect.ValueOf(value)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case !v.IsValid(), v.Kind() == reflect.Pointer:
		return ""
	case v.Type() == timeType:
		return timeText(v.Interface().(time.Time), zone)
	case v.Type().Implements(textMarshaler):
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return ""
		}
		return string(text)
	case v.CanFloat():
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
	}
	switch v.Kind() {
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return base64.StdEncoding.EncodeToString(v.Bytes())
		}
		lines := make([]string, v.Len())
		for i := range lines {
			lines[i] = Text(v.Index(i).Interface(), zone)
		}
		return strings.Join(lines, "\n")
	case reflect.Struct, reflect.Map, reflect.Interface, reflect.Array:
		text, err := json.Marshal(v.Interface())
		if err != nil {
			return ""
		}
		return string(text)
	}
	return fmt.Sprint(v.Interface())
}

var (
	timeType        = reflect.TypeFor[time.Time]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// timeText returns a time as a datetime-local box has it. Such a box has no years
// before the year 1.
func timeText(at time.Time, zone *time.Location) string {
	at = at.In(zone)
	if at.IsZero() || at.Year() < 1 {
		return ""
	}
	return at.Format("2006-01-02T15:04:05.999")
}

// A kept is the value of the hidden box beside a box that cannot show a value exactly.
type kept struct {
	Box string          `json:"box"` // the text in the box
	Is  json.RawMessage `json:"is"`  // the value
}

// keptName returns the name of the hidden box beside the box of a field.
func keptName(field string) string { return field + "~" }

// Keep returns the name and the value of a hidden box that states the exact value of a
// field, and false if box, the text that its box sends while nobody touches it, stands
// for exactly that value.
func Keep(field, box string, value any, zone *time.Location) (name, text string, needed bool) {
	v := reflect.ValueOf(value)
	if !v.IsValid() {
		return "", "", false
	}
	same := reflect.New(v.Type()).Elem()
	exact, err := json.Marshal(value)
	if err != nil {
		return "", "", false
	}
	if Set(same, []string{submitted(box)}, zone) == nil {
		if read, err := json.Marshal(same.Interface()); err == nil && string(read) == string(exact) {
			return "", "", false
		}
	}
	both, err := json.Marshal(kept{box, exact})
	return keptName(field), string(both), err == nil
}

// submitted returns a text as a browser sends it: every line break is CR LF.
func submitted(text string) string {
	return strings.ReplaceAll(unify(text), "\n", "\r\n")
}

// unify returns a text with LF for every line break.
func unify(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// Kept returns the exact value of a field, in JSON, if the form has one and nobody has
// touched the field's box. It returns nil otherwise.
func Kept(sent url.Values, field string, t reflect.Type) json.RawMessage {
	var was kept
	if text, found := sent[keptName(field)]; !found || json.Unmarshal([]byte(text[0]), &was) != nil || len(sent[field]) == 0 {
		return nil
	}
	now := sent.Get(field)
	if values := sent[field]; len(values) > 1 {
		now = values[len(values)-1]
		if isList(t) {
			now = strings.Join(values, "\n")
		}
	}
	if unify(now) == unify(was.Box) {
		return was.Is
	}
	was.Box, now = strings.TrimSpace(was.Box), strings.TrimSpace(now)
	if a, err := parseTime(was.Box, time.UTC); err == nil && behind(t) == timeType {
		if b, err := parseTime(now, time.UTC); err == nil && a.Equal(b) {
			return was.Is
		}
	}
	return nil
}

// behind returns the type behind pointers.
func behind(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func isList(t reflect.Type) bool {
	t = behind(t)
	return t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 && !reflect.PointerTo(t).Implements(textUnmarshaler)
}
