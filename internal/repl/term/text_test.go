package term

import (
	"slices"
	"strings"
	"testing"
)

// Text that some terminals draw wider than others is replaced by plain text of the same
// width.
func TestComposedEmojiAreReducedToTheFirst(t *testing.T) {
	for line, want := range map[string]string{
		"plain 日本 é":             "plain 日本 é",
		"👋🏽|":                    "👋|",
		"a 👩\u200d💻 b 👋🏽 c":      "a 👩 b 👋 c",
		"❤\ufe0f|1\ufe0f\u20e3|": "❤ |1 |",
		"\x1b[32m👋🏽\x1b[0m|":     "\x1b[32m👋\x1b[0m|",
		"🇩🇪|क्\u200dष|م\u200cی":  "🇩🇪|क्\u200dष|م\u200cی",
	} {
		if got := Steady(line); got != want || Width(got) != Width(line) {
			t.Errorf("%q is drawn %q, %d cells for %d", line, got, Width(got), Width(line))
		}
	}
}

func TestTextIsCutBetweenWords(t *testing.T) {
	for _, test := range []struct {
		text  string
		cells int
		want  string
	}{
		{"posts where published", 21, "posts where published"},
		{"posts where published", 20, "posts where…"},
		{"posts where published", 12, "posts where…"},
		{"posts.published", 9, "posts.pu…"},
		{"a longestwordofall", 8, "a longe…"},
		{"each change: no index", 12, "each change…"},
	} {
		if got := CutWords(test.text, test.cells); got != test.want {
			t.Errorf("%q in %d cells: %q, want %q", test.text, test.cells, got, test.want)
		}
	}
	const names = "posts.published, posts.mine, users.all"
	for cells, want := range map[int]string{38: names, 30: "posts.published, posts.mine +1", 29: "posts.published +2", 12: "3 cursors", 6: "3 cur…"} {
		if got := CutList(names, "cursors", cells); got != want {
			t.Errorf("the names in %d cells: %q, want %q", cells, got, want)
		}
	}
	if got := CutList("posts.published", "cursors", 9); got != "posts.pu…" {
		t.Errorf("one name: %q", got)
	}
}

func TestIndentedTextHangs(t *testing.T) {
	got := Hang("    Ada  posts.mine  enter  Post 01J \"In a box\"", 24)
	want := []string{"    Ada  posts.mine  ", "      enter  Post 01J ", "      \"In a box\""}
	for i := range got {
		got[i] = strings.TrimRight(got[i], " ")
	}
	for i := range want {
		want[i] = strings.TrimRight(want[i], " ")
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := Hang("  fits", 24); !slices.Equal(got, []string{"  fits"}) {
		t.Errorf("%q", got)
	}
}
