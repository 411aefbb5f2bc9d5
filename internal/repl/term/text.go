// Package term measures, cuts and styles text for a terminal. [Clean] makes untrusted
// text safe to show.
package term

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Width returns the number of cells text occupies.
func Width(text string) int { return ansi.StringWidth(text) }

// Cut shortens text to the given number of cells. It ends with … if something was cut.
func Cut(text string, cells int) string {
	if Width(text) <= cells {
		return text
	}
	return ansi.Truncate(text, max(cells, 0), "…")
}

// CutWords is like [Cut] but cuts between words if most of the text remains.
func CutWords(text string, cells int) string {
	short := Cut(text, cells)
	if short == text {
		return text
	}
	if at := strings.LastIndexByte(short, ' '); 5*at > 2*len(short) && text[len(short)-len("…")] != ' ' {
		return strings.TrimRight(short[:at], " ,:") + "…"
	}
	return short
}

// CutList shortens a list of names separated by ", " to whole names and a count of the
// rest, or to the count and what if not even one name fits.
func CutList(names, what string, cells int) string {
	all := strings.Split(names, ", ")
	if Width(names) <= cells || len(all) == 1 {
		return Cut(names, cells)
	}
	for n := len(all) - 1; n > 0; n-- {
		if some := fmt.Sprintf("%s +%d", strings.Join(all[:n], ", "), len(all)-n); Width(some) <= cells {
			return some
		}
	}
	return Cut(fmt.Sprintf("%d %s", len(all), what), cells)
}

// CutLeft removes the given number of cells from the beginning of text.
func CutLeft(text string, cells int) string { return ansi.TruncateLeft(text, cells, "") }

// Pad appends spaces to text up to the given number of cells.
func Pad(text string, cells int) string {
	return text + strings.Repeat(" ", max(cells-Width(text), 0))
}

// PadLeft prepends spaces to text up to the given number of cells.
func PadLeft(text string, cells int) string {
	return strings.Repeat(" ", max(cells-Width(text), 0)) + text
}

// Wrap breaks text into lines of at most the given number of cells; 0 means no limit.
func Wrap(text string, cells int) []string {
	if cells > 0 {
		text = ansi.Wrap(text, cells, "")
	}
	return strings.Split(text, "\n")
}

// Hang wraps an indented line; the continuation lines are indented further.
func Hang(line string, cells int) []string {
	text := strings.TrimLeft(line, " ")
	indent := len(line) - len(text)
	if indent == 0 || cells == 0 || Width(line) <= cells || cells-indent < narrowest {
		return Wrap(line, cells)
	}
	first, rest, _ := strings.Cut(strings.Join(Wrap(text, cells-indent), "\n"), "\n")
	lines := []string{line[:indent] + first}
	for _, part := range Wrap(strings.ReplaceAll(rest, "\n", " "), cells-indent-2) {
		lines = append(lines, line[:indent]+"  "+part)
	}
	return lines
}

const narrowest = 12 // the least number of cells for a hanging indent

// Steady replaces each composed emoji by its first component. Terminals disagree about
// the width of composed emoji, so the text to their right would move. The width stays
// the same.
func Steady(line string) string {
	if !strings.ContainsFunc(line, modifies) {
		return line
	}
	var b strings.Builder
	for state := byte(0); line != ""; {
		sequence, cells, n, next := ansi.DecodeSequence(line, state, nil)
		first, size := utf8.DecodeRuneInString(sequence)
		switch {
		case modifies(first): // a digit, decoded separately
			sequence = Pad("", Width("0"+sequence)-1)
		case size < len(sequence) && !unicode.IsLetter(first) && strings.ContainsFunc(sequence, modifies):
			sequence = Pad(string(first), cells)
		}
		b.WriteString(sequence)
		line, state = line[n:], next
	}
	return b.String()
}

// modifies reports whether a rune combines with the emoji before it.
func modifies(r rune) bool {
	return r == zeroWidthJoiner || r == emojiStyle || r >= 0x1f3fb && r <= 0x1f3ff
}
