package term

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Clean makes untrusted text safe to show on one line: nothing in it can move the
// cursor, change a color, reverse the reading direction, or hide. What has no picture of
// its own appears as an escape such as \u200b; line breaks become ↵.
func Clean(text string) string { return cleaned(text, "↵") }

// CleanLines is like [Clean] but keeps line breaks.
func CleanLines(text string) string { return cleaned(text, "\n") }

// CleanJSON makes JSON safe to write to a terminal. Characters that [Clean] would show
// as an escape become escapes of JSON, so its meaning stays the same.
func CleanJSON(data []byte) []byte {
	if plain(string(data)) {
		return data
	}
	var out []byte
	each(string(data), func(r rune, text string, safe bool) {
		switch {
		case safe || r == '\n' || r == '\t' || r == '\r': // between values; strings have them as escapes
			out = append(out, text...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	})
	return out
}

// cleaned is [Clean] with newline instead of each line break.
func cleaned(text, newline string) string {
	if plain(text) {
		return text
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "�"), "\r\n", "\n")
	var b strings.Builder
	each(text, func(r rune, text string, safe bool) {
		switch {
		case r == '\n':
			b.WriteString(newline)
		case r == '\t':
			b.WriteString("  ")
		case safe:
			b.WriteString(text)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	})
	return b.String()
}

// plain reports whether text consists of printable ASCII, as most text does.
func plain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// each calls do with each character of text, and whether it can be shown as it is.
func each(text string, do func(r rune, text string, safe bool)) {
	before := rune(-1)
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		next, _ := utf8.DecodeRuneInString(text[i+size:])
		safe := visible(r) || joins(before, r, next)
		if unicode.In(r, unicode.Mn, unicode.Me) && before < 0 {
			safe = false // it would change the character before the text
		}
		do(r, text[i:i+size], safe)
		before = r
		if !safe {
			before = -1
		}
	}
}

// visible reports whether a character has a picture of its own, or is the space, and
// leaves what is around it alone.
func visible(r rune) bool {
	return unicode.IsPrint(r) && r != unicode.ReplacementChar && !strings.ContainsRune(blanks, r) &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// blanks are letters and symbols with an empty picture: of Braille, a null note head, a
// filler of Khitan, and blanks of Egyptian hieroglyphs.
const blanks = "\u2800\U0001d159\U00016fe4\U00013441\U00013442"

const (
	zeroWidthJoiner    = '\u200d' // joins emoji, and letters of India
	zeroWidthNonJoiner = '\u200c' // part of Persian text
	textStyle          = '\ufe0e' // after a symbol that also exists as an emoji
	emojiStyle         = '\ufe0f'
)

// joins reports whether r is an invisible character that belongs between its neighbors,
// or to the character before it.
func joins(before, r, next rune) bool {
	switch r {
	case textStyle, emojiStyle:
		return unicode.Is(unicode.So, before) || strings.ContainsRune("#*0123456789", before) ||
			before > unicode.MaxLatin1 && unicode.In(before, unicode.Sm, unicode.Po)
	case zeroWidthJoiner:
		return joinable(before) && joinable(next)
	case zeroWidthNonJoiner:
		return unicode.In(before, unicode.L, unicode.M) && unicode.In(next, unicode.L, unicode.M) && joinable(before) && joinable(next)
	}
	return false
}

// joinable reports whether a zero-width joiner has an effect beside a character: beside
// emoji, and beside letters of scripts that join.
func joinable(r rune) bool {
	return r > unicode.MaxLatin1 && visible(r) && unicode.In(r, unicode.So, unicode.Sk, unicode.L, unicode.M) || r == emojiStyle
}
