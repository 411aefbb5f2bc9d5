package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"reflect"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/format"
)

// formats writes numbers and times for an application's readers.
type formats struct {
	locale *format.Locale
	tag    string         // of the locale; "": the page's
	zone   *time.Location // nil: the browser's, and UTC until its library has run
}

func newFormats(tag string, zone *time.Location) (formats, error) {
	locale, err := format.Find(cmp.Or(tag, "en"))
	return formats{locale, tag, zone}, err
}

// number is the function number of views: {{number .Price}}, {{number .Price 2}}.
func (f formats) number(value any, digits ...int) (string, error) {
	number, null, err := numberOf("number", value, digits)
	if err != nil || null {
		return "", err
	}
	return f.locale.Number(number, first(digits)), nil
}

// percent is the function percent of views: {{percent .Ratio}}, {{percent .Ratio 1}}.
func (f formats) percent(value any, digits ...int) (string, error) {
	number, null, err := numberOf("percent", value, digits)
	if err != nil || null {
		return "", err
	}
	return f.locale.Percent(number, first(digits)), nil
}

// currency is the function currency of views: {{currency .Price "EUR"}}.
func (f formats) currency(value any, code string, digits ...int) (string, error) {
	number, null, err := numberOf("currency", value, digits)
	if err != nil || null {
		return "", err
	}
	return f.locale.Currency(number, code, first(digits))
}

// first returns the number of digits, -1 for those that are usual.
func first(digits []int) int {
	if len(digits) == 0 {
		return -1
	}
	return digits[0]
}

// numberOf returns a number of any of Go's kinds, and whether it is null.
func numberOf(name string, value any, digits []int) (number float64, null bool, err error) {
	if len(digits) > 1 || len(digits) == 1 && (digits[0] < 0 || digits[0] > 20) {
		return 0, false, fmt.Errorf("%s: the digits after the decimal point are one number from 0 to 20", name)
	}
	v := reflect.ValueOf(value)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case !v.IsValid() || v.Kind() == reflect.Pointer:
		return 0, true, nil
	case v.CanInt():
		return float64(v.Int()), false, nil
	case v.CanUint():
		return float64(v.Uint()), false, nil
	case v.CanFloat():
		return v.Float(), false, nil
	}
	return 0, false, fmt.Errorf("%s: a %T is not a number", name, value)
}

// timeLayout is the default layout of a time in a page: 2 January 2006, 15:04.
const timeLayout = "2 January 2006, 15:04"

// time is the function time of views. It returns a <time> element for a time.Time or a
// pointer to one, and nothing for the zero time and nil. A layout as for time.Format changes
// the text. Unless the application has a time zone, the browser's library shows it in the
// browser's.
func (f formats) time(value any, layout ...string) (template.HTML, error) {
	at, isTime := value.(time.Time)
	if pointer, isPointer := value.(*time.Time); isPointer {
		if isTime = true; pointer != nil {
			at = *pointer
		}
	}
	if !isTime || len(layout) > 1 {
		return "", fmt.Errorf(`time takes a time and at most one layout, as in {{time .CreatedAt "2 Jan 2006"}}; it got a %T`, value)
	}
	if at.IsZero() {
		return "", nil
	}
	text := append(layout, timeLayout)[0]
	attrs := fmt.Sprintf(`datetime="%s"`, at.UTC().Format("2006-01-02T15:04:05.999Z07:00"))
	if f.zone == nil && format.Local(text) {
		attrs += f.lang() + fmt.Sprintf(` data-time-layout="%s"`, template.HTMLEscapeString(text))
	}
	return template.HTML(fmt.Sprintf(`<time %s>%s</time>`, attrs, template.HTMLEscapeString(f.timeText(at, text)))), nil
}

// timeText returns a time in the application's zone, or in UTC, and then says so where it
// has an hour: what reads it may have no library that shows it in the reader's zone.
func (f formats) timeText(at time.Time, layout string) string {
	if f.zone != nil {
		return f.locale.Time(at.In(f.zone), layout)
	}
	text := f.locale.Time(at.UTC(), layout)
	if format.HasClock(layout) {
		text += " UTC"
	}
	return text
}

// lang returns the attribute with the application's locale.
func (f formats) lang() string {
	if f.tag == "" {
		return ""
	}
	return fmt.Sprintf(` lang="%s"`, template.HTMLEscapeString(f.tag))
}

// Number returns the value written as the function number of views does.
func (v *LiveValue) Number(digits ...int) (*LiveValue, error) {
	return v.formatted("number", v.formats.number, digits)
}

// Percent returns the value, a ratio, as a percentage.
func (v *LiveValue) Percent(digits ...int) (*LiveValue, error) {
	return v.formatted("percent", v.formats.percent, digits)
}

// Currency returns the value as an amount of money.
func (v *LiveValue) Currency(code string, digits ...int) (*LiveValue, error) {
	write := func(value any, digits ...int) (string, error) { return v.formats.currency(value, code, digits...) }
	return v.formatted("currency "+code, write, digits)
}

// Time returns the value, a time, by a layout.
func (v *LiveValue) Time(layout ...string) (*LiveValue, error) {
	text := append(layout, timeLayout)[0]
	out := &LiveValue{Attrs: v.Attrs + v.formatAttrs("time "+text)}
	switch value := v.value.(type) {
	case nil:
	case time.Time:
		out.Text = v.formats.timeText(value, text)
	default:
		return nil, fmt.Errorf("time: the value is a %T", v.value)
	}
	return out, nil
}

func (v *LiveValue) formatted(name string, write func(any, ...int) (string, error), digits []int) (*LiveValue, error) {
	text, err := write(v.value, digits...)
	if len(digits) > 0 {
		name += fmt.Sprint(" ", digits[0])
	}
	return &LiveValue{Attrs: v.Attrs + v.formatAttrs(name), Text: text}, err
}

// formatAttrs says how the browser's library writes the value.
func (v *LiveValue) formatAttrs(name string) template.HTMLAttr {
	attrs := v.formats.lang() + fmt.Sprintf(` data-format="%s"`, template.HTMLEscapeString(name))
	if v.formats.zone != nil {
		attrs += fmt.Sprintf(` data-zone="%s"`, template.HTMLEscapeString(v.formats.zone.String()))
	}
	return template.HTMLAttr(attrs)
}

// plainValue returns a value of a cursor as Go has it, nil for null.
func plainValue(value record.Value) any {
	if value.Kind() == record.Null {
		return nil
	}
	if value.Kind() != record.Time {
		return value.Any()
	}
	data, err := json.Marshal(value.Any())
	var at time.Time
	if err != nil || json.Unmarshal(data, &at) != nil {
		return nil
	}
	return at
}
