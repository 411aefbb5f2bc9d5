package format

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed locales.json
var table []byte

var locales = sync.OnceValue(func() map[string]*Locale {
	all := map[string]*Locale{}
	if err := json.Unmarshal(table, &all); err != nil {
		panic(err) // the table is part of the program
	}
	return all
})

// A Locale writes numbers and names as a language does.
type Locale struct {
	Decimal       string               `json:"decimal"`
	Group         string               `json:"group"`
	Sizes         [2]int               `json:"sizes"` // digits in the last group, and in those before
	Least         int                  `json:"least"` // digits before the first separator, at least
	Minus         string               `json:"minus"` // patterns: "#" stands for the digits
	PlusPercent   string               `json:"percent"`
	MinusPercent  string               `json:"minusPercent"`
	Currencies    map[string]*currency `json:"currencies"`
	Months        [12]string           `json:"months"`
	ShortMonths   [12]string           `json:"shortMonths"`
	Weekdays      [7]string            `json:"weekdays"` // from Sunday
	ShortWeekdays [7]string            `json:"shortWeekdays"`
	DayPeriods    [2]string            `json:"dayPeriods"` // AM, PM
}

type currency struct {
	Plus, Minus    string
	Digits         int
	Group, Decimal string // "": those of numbers
}

// Find returns a locale by its BCP 47 tag: "de-CH", or else that of its language.
func Find(tag string) (*Locale, error) {
	all := locales()
	if found := all[tag]; found != nil {
		return found, nil
	}
	language, _, _ := strings.Cut(tag, "-")
	if found := all[language]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("there are no formats for the locale %q; there are those for %s", tag, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
}

// Number writes a number with a fixed number of digits after the decimal point, or, if
// digits is negative, with as many as it needs, at most three.
func (l *Locale) Number(value float64, digits int) string {
	return l.write(value, 0, digits, 3, "#", l.Minus, l.Decimal, l.Group)
}

// Percent writes a ratio as a percentage, 0.5 as 50%: without digits after the decimal point
// if digits is negative.
func (l *Locale) Percent(value float64, digits int) string {
	return l.write(value, 2, digits, 0, l.PlusPercent, l.MinusPercent, l.Decimal, l.Group)
}

// Currency writes an amount of money. If digits is negative, it has as many after the
// decimal point as is usual for the currency, named by its ISO 4217 code, "EUR".
func (l *Locale) Currency(value float64, code string, digits int) (string, error) {
	known := l.Currencies[code]
	if known == nil {
		return "", fmt.Errorf("there is no format for the currency %q; there are those for %s", code, strings.Join(slices.Sorted(maps.Keys(l.Currencies)), ", "))
	}
	if digits < 0 {
		digits = known.Digits
	}
	decimal, group := l.Decimal, l.Group
	if known.Decimal != "" {
		decimal = known.Decimal
	}
	if known.Group != "" {
		group = known.Group
	}
	return l.write(value, 0, digits, digits, known.Plus, known.Minus, decimal, group), nil
}

// write writes the shortest decimal form of value, times ten to the power of shift, rounded
// half up. Without digits, it has at most most of them.
func (l *Locale) write(value float64, shift, digits, most int, plus, minus, decimal, group string) string {
	negative := math.Signbit(value)
	switch {
	case math.IsNaN(value):
		return "NaN"
	case math.IsInf(value, 0):
		return strings.Replace(map[bool]string{false: plus, true: minus}[negative], "#", "∞", 1)
	}
	whole, fraction := decimalForm(math.Abs(value), shift)
	if digits >= 0 {
		most = digits
	}
	whole, fraction = round(whole, fraction, most)
	if digits < 0 {
		fraction = strings.TrimRight(fraction, "0")
	} else {
		fraction += strings.Repeat("0", max(0, digits-len(fraction)))
	}
	text := l.grouped(whole, group)
	if fraction != "" {
		text += decimal + fraction
	}
	if negative {
		return strings.Replace(minus, "#", text, 1)
	}
	return strings.Replace(plus, "#", text, 1)
}

// decimalForm returns the digits before and after the decimal point.
func decimalForm(value float64, shift int) (whole, fraction string) {
	whole, fraction, _ = strings.Cut(strconv.FormatFloat(value, 'f', -1, 64), ".")
	if shift > 0 {
		fraction += strings.Repeat("0", max(0, shift-len(fraction)))
		whole, fraction = whole+fraction[:shift], fraction[shift:]
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	return whole, fraction
}

// round keeps most digits after the decimal point.
func round(whole, fraction string, most int) (string, string) {
	if len(fraction) <= most {
		return whole, fraction
	}
	up := fraction[most] >= '5'
	digits := []byte("0" + whole + fraction[:most])
	for i := len(digits) - 1; up && i >= 0; i-- {
		if digits[i]++; digits[i] > '9' {
			digits[i] = '0'
		} else {
			up = false
		}
	}
	whole, fraction = string(digits[:len(digits)-most]), string(digits[len(digits)-most:])
	if trimmed := strings.TrimLeft(whole, "0"); trimmed != "" {
		return trimmed, fraction
	}
	return "0", fraction
}

// grouped separates groups of digits.
func (l *Locale) grouped(whole, separator string) string {
	if len(whole) < l.Sizes[0]+l.Least {
		return whole
	}
	at := len(whole) - l.Sizes[0]
	out := whole[at:]
	for ; at > l.Sizes[1]; at -= l.Sizes[1] {
		out = whole[at-l.Sizes[1]:at] + separator + out
	}
	return whole[:at] + separator + out
}
