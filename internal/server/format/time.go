package format

import (
	"strings"
	"time"
)

// Time writes a time by a layout as time.Format does, with the language's names of months,
// days and halves of the day.
func (l *Locale) Time(at time.Time, layout string) string {
	var out strings.Builder
	for layout != "" {
		token, found := nextToken(layout)
		if !found {
			_, size := firstRune(layout)
			out.WriteString(layout[:size])
			layout = layout[size:]
			continue
		}
		layout = layout[len(token):]
		out.WriteString(l.token(at, token))
	}
	return out.String()
}

// tokens are the parts of a layout that stand for a part of a time: longer ones before those
// that they begin with.
var tokens = []string{"January", "Jan", "Monday", "Mon", "MST", "2006", "Z07:00", "-07:00", "-0700", "01", "02", "03", "04", "05", "06", "_2", "15", "PM", "pm", "1", "2", "3", "4", "5"}

func nextToken(layout string) (string, bool) {
	for _, token := range tokens {
		if strings.HasPrefix(layout, token) {
			return token, true
		}
	}
	return "", false
}

func (l *Locale) token(at time.Time, token string) string {
	switch token {
	case "January":
		return l.Months[at.Month()-1]
	case "Jan":
		return l.ShortMonths[at.Month()-1]
	case "Monday":
		return l.Weekdays[at.Weekday()]
	case "Mon":
		return l.ShortWeekdays[at.Weekday()]
	case "PM", "pm":
		period := l.DayPeriods[at.Hour()/12]
		if token == "pm" {
			return strings.ToLower(period)
		}
		return period
	}
	return at.Format(token)
}

func firstRune(text string) (rune, int) {
	for i, r := range text {
		if i > 0 {
			return r, i
		}
	}
	return 0, len(text)
}

// Local reports whether a browser can write a time by a layout in its own zone: the layout
// has no fractions of a second and no day of the year.
func Local(layout string) bool {
	for _, token := range []string{".0", ",0", ".9", ",9", "002", "__2"} {
		if strings.Contains(layout, token) {
			return false
		}
	}
	return true
}

// HasClock reports whether a layout has an hour, so that its text means another moment in
// another zone, and does not name the zone.
func HasClock(layout string) bool {
	clock := false
	for layout != "" {
		token, found := nextToken(layout)
		switch {
		case !found:
			_, size := firstRune(layout)
			layout = layout[size:]
			continue
		case token == "MST" || strings.HasSuffix(token, "07:00") || token == "-0700":
			return false
		case token == "15" || token == "03" || token == "3":
			clock = true
		}
		layout = layout[len(token):]
	}
	return clock
}
