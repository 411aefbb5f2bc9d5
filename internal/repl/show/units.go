package show

import (
	"fmt"
	"strconv"
	"time"
)

// Grouped formats n as 12,345.
func Grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Counted returns a number with its noun, such as "1 record" or "12,345 records".
func Counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return Grouped(n) + " " + what
}

// Duration formats a time in microseconds.
func Duration(micros int64) string {
	switch {
	case micros < 1000:
		return fmt.Sprintf("%d µs", micros)
	case micros < 100_000:
		return fmt.Sprintf("%.1f ms", float64(micros)/1e3)
	case micros < 1_000_000:
		return fmt.Sprintf("%d ms", micros/1e3)
	}
	return fmt.Sprintf("%.1f s", float64(micros)/1e6)
}

// Elapsed formats the time since something happened.
func Elapsed(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
