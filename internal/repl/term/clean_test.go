package term

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// drawn is the model of what a terminal may receive, written as Unicode describes it:
// letters, marks, numbers, punctuation, symbols and the space, except for those that
// Unicode recommends to draw nothing for.
func drawn(r rune) bool {
	if r == ' ' {
		return true
	}
	if !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) {
		return false // controls, formats, surrogates, private use, unassigned, other spaces
	}
	for _, nothing := range [][2]rune{
		{0x34f, 0x34f}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2800, 0x2800}, {0x3164, 0x3164},
		{0xfe00, 0xfe0f}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xfffd, 0xfffd}, {0x13441, 0x13442}, {0x16fe4, 0x16fe4},
		{0x1d159, 0x1d159}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
	} {
		if r >= nothing[0] && r <= nothing[1] {
			return false
		}
	}
	return true
}

// characters yields every character of the planes that have some, and one in 61 of the planes
// that are unassigned or private.
func characters(yield func(rune) bool) {
	for r := range rune(unicode.MaxRune + 1) {
		assigned := r < 0x4_0000 || r>>16 == 0xE
		if (assigned || r%61 == 0) && utf8.ValidRune(r) && !yield(r) {
			return
		}
	}
}

func TestEveryCharacterIsDrawnOrEscaped(t *testing.T) {
	for r := range characters {
		text := "a" + string(r) + "b"
		clean, lines := Clean(text), CleanLines(text)
		for _, shown := range clean {
			if !drawn(shown) {
				t.Fatalf("%U reaches the terminal in %+q", shown, clean)
			}
		}
		if drawn(r) && clean != text {
			t.Errorf("%U has a picture, but is shown as %+q", r, clean)
		}
		if !drawn(r) && r != '\t' && r != '\n' && !strings.Contains(clean, fmt.Sprintf("%x", r)) {
			t.Errorf("%U is shown as %+q, which does not name it", r, clean)
		}
		if r == '\n' && lines != text || r != '\n' && lines != clean {
			t.Errorf("%U on several lines: %+q", r, lines)
		}
	}
}

func TestJSONKeepsItsMeaning(t *testing.T) {
	for part := range slices.Chunk(slices.Collect(characters), 256) {
		var text strings.Builder
		for _, r := range part {
			text.WriteString("a" + string(r))
		}
		encoded, err := json.Marshal([]string{text.String()})
		if err != nil {
			t.Fatal(err)
		}
		safe := CleanJSON(encoded)
		var after []string
		if err := json.Unmarshal(safe, &after); err != nil || after[0] != text.String() {
			t.Errorf("after %U: %s is another value: %v", part[0], safe, err)
		}
		for _, shown := range string(safe) {
			if !drawn(shown) {
				t.Fatalf("%U reaches the terminal", shown)
			}
		}
	}
}

// What is invisible stays where it belongs, and is escaped elsewhere.
func TestInvisibleCharactersThatBelong(t *testing.T) {
	for text, want := range map[string]string{
		"👩\u200d💻 👋🏽 ❤\ufe0f ☎\ufe0e 1\ufe0f\u20e3 ‼\ufe0f 🏳\ufe0f\u200d🌈": "",
		"क्\u200dष م\u200cی 🇩🇪 e\u0301 한국어 ไทย עברית":                      "",
		"a\u200db":                    `a\u200db`,
		"\u200d👩":                     `\u200d👩`,
		"👩\u200d":                     `👩\u200d`,
		"a\u200cb":                    `a\u200cb`,
		"a\ufe0f":                     `a\ufe0f`,
		"漢\ufe00":                     `漢\ufe00`,
		"漢\U000e0100":                 `漢\u{e0100}`,
		"🏴\U000e0067\U000e007f":       `🏴\u{e0067}\u{e007f}`,
		"\u0301a":                     `\u0301a`,
		"x\n\u0301":                   `x↵\u0301`,
		"\u202e\u0301":                `\u202e\u0301`,
		"\xff\x80":                    `\ufffd`,
		"a\u2066b\u2069c\u061c\ufeff": `a\u2066b\u2069c\u061c\ufeff`,
		"\u009b31m\u0085":             `\x9b31m\x85`,
		"\ue000\U0010fffd\u0378":      `\ue000\u{10fffd}\u0378`,
		"日\u3000本\u00a0":              `日\u3000本\xa0`,
	} {
		if want == "" {
			want = text
		}
		if got := Clean(text); got != want {
			t.Errorf("%+q is shown as %+q, want %+q", text, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"a\x1b[31m", "👩\u200d\u202e💻", "\u0301\ufe0f1", "\xff\xfe", "{\"a\": \"\u200b\"}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		joined := strings.NewReplacer("\u200d", "", "\u200c", "", "\ufe0e", "", "\ufe0f", "")
		for _, r := range joined.Replace(Clean(text)) {
			if !drawn(r) {
				t.Fatalf("%U reaches the terminal", r)
			}
		}
		if again := Clean(Clean(text)); again != Clean(text) {
			t.Fatalf("%+q is not clean", again)
		}
	})
}
