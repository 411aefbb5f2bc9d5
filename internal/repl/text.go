package repl

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// clean makes text from elsewhere safe to show on one line: nothing in it can
// move the cursor, change a color, or turn the reading direction.
func clean(text string) string { return cleaned(text, "↵") }

// cleanLines is clean, except that it keeps the lines.
func cleanLines(text string) string { return cleaned(text, "\n") }

func cleaned(text, newline string) string {
	if strings.IndexFunc(text, unsafeRune) < 0 {
		return text
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "�"), "\r\n", "\n")
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			b.WriteString(newline)
		case r == '\t':
			b.WriteString("  ")
		case !unsafeRune(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

const (
	zeroWidthJoiner    = '\u200d' // joins emoji
	zeroWidthNonJoiner = '\u200c' // written in Persian
)

func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || r == unicode.ReplacementChar || r == '\u2028' || r == '\u2029' ||
		unicode.Is(unicode.Cf, r) && r != zeroWidthJoiner && r != zeroWidthNonJoiner && r < 0xe0000
}

// width is how many cells text takes.
func width(text string) int { return ansi.StringWidth(text) }

// cut shortens text to so many cells.
func cut(text string, cells int) string {
	if width(text) <= cells {
		return text
	}
	return ansi.Truncate(text, max(cells, 0), "…")
}

// cutLeft leaves out so many cells at the beginning of text.
func cutLeft(text string, cells int) string { return ansi.TruncateLeft(text, cells, "") }

// pad fills text up with spaces to so many cells.
func pad(text string, cells int) string {
	return text + strings.Repeat(" ", max(cells-width(text), 0))
}

// padLeft is pad, with the spaces first.
func padLeft(text string, cells int) string {
	return strings.Repeat(" ", max(cells-width(text), 0)) + text
}

// wrap breaks text into lines of at most so many cells; 0 leaves it alone.
func wrap(text string, cells int) []string {
	if cells > 0 {
		text = ansi.Wrap(text, cells, "")
	}
	return strings.Split(text, "\n")
}
