package script

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// previewed is the number of records of a query to show in these tests.
const previewed = 50

// valueOf evaluates code and returns its last value.
func valueOf(t *testing.T, code string) (last show.Value) {
	t.Helper()
	s := newSession(t)
	s.e.Preview, s.e.Items = previewed, 1000
	if err := s.e.Run(t.Context(), Source{Text: code}, func(v show.Value) { last = v }); err != nil {
		t.Fatalf("%s: %v", code, err)
	}
	return last
}

// shownAs evaluates code and formats its value in lines of the given width.
func shownAs(t *testing.T, code string, width int) []string {
	t.Helper()
	return show.Formatter{Width: width}.Lines(valueOf(t, code))
}

func TestValues(t *testing.T) {
	for _, test := range []struct {
		code  string
		width int
		want  string
	}{
		{`"text"`, 40, "text"},
		{`""`, 40, `""`},
		{`"a\x1b[31mb\u202ec"`, 40, `a\x1b[31mb\u202ec`},
		{`[1, "a", null, undefined, true]`, 40, `[1, "a", null, undefined, true]`},
		{`({a: {b: [1]}})`, 40, `{a: {b: [1]}}`},
		{`[]`, 40, `[]`},
		{`({})`, 40, `{}`},
		{`() => 1`, 40, `ƒ`},
		{`function name() {} name`, 40, `ƒ name`},
		{`/x/g`, 40, `/x/g`},
		{`Symbol("s")`, 40, `Symbol(s)`},
		{`new Error("no")`, 40, `Error: no`},
		{`new Set([1, 2])`, 40, `Set [1, 2]`},
		{`new (class Point { constructor() { this.x = 1 } })()`, 40, `Point {x: 1}`},
		{`let a = [1]; a.push(a); a`, 40, `[1, [circular]]`},
		{`"one two three four"`, 9, "one two\nthree\nfour"},
		{`"日本語日本語"`, 6, "日本語\n日本語"},
		{`({a: 1, b: "longer than fits here"})`, 20, "a  1\nb  longer than fits\n   here"},
		{`[..."abc"].map(x => x.repeat(12))`, 20, "\"aaaaaaaaaaaa\"\n\"bbbbbbbbbbbb\"\n\"cccccccccccc\"\n3 items"},
		{`Array.from({length: 2000}, (_, i) => i).length`, 40, "2000"},
		{`[{a: 1, b: "x"}, {a: 22, c: [1, 2]}]`, 40, " a  b  c\n 1  x\n22     1, 2\n2 items"},
		{`[{name: "日本"}, {name: "x"}]`, 40, "name\n日本\nx\n2 items"},
	} {
		if got := strings.Join(trimmed(shownAs(t, test.code, test.width)), "\n"); got != test.want {
			t.Errorf("%s\n got %q\nwant %q", test.code, got, test.want)
		}
	}
}

func trimmed(lines []string) []string {
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}

func TestTablesFitAndAlign(t *testing.T) {
	records := valueOf(t, `
		Post.create([{title: "日本語のタイトル", body: "x".repeat(500), likes: 12345}, {title: "emoji 👋🏽 👩‍👩‍👧", body: "a\nb\tc", tags: ["a", "b"]},
			{title: "x", published: true, authorId: "01JBXYZ0000000000000000009"}])
		Post.all()`)
	for width := 16; width < 200; width++ {
		lines := show.Formatter{Width: width}.Lines(records)
		if upright := strings.HasPrefix(lines[0], "─ 1 ──"); upright != (len(lines) != 5) || upright && width >= 60 {
			t.Fatalf("%d lines in %d cells: %q", len(lines), width, lines)
		}
		for _, line := range lines {
			if w := ansi.StringWidth(line); w > width {
				t.Errorf("%d cells in %d: %q", w, width, line)
			}
		}
		// The column after the titles begins at the same cell in every row.
		if at := strings.Index(lines[0], "  body"); width > 60 && at > 0 {
			for _, line := range lines[1:4] {
				if cell := ansi.Cut(line, at, at+2); cell != "  " {
					t.Errorf("in %d cells the columns do not align: %q", width, line)
				}
			}
		}
	}
}

func TestATableTurnsUprightWhenItIsNarrow(t *testing.T) {
	code := `Post.create({title: "日本語のタイトル", likes: 3, tags: ["a", "b"]}); Post.all()`
	want := `─ 1 ────────────────────────────
id         01JBXYZ00000000000000
           00001
title      日本語のタイトル
body       ""
authorId   ""
published  false
likes      3
tags       ["a", "b"]
createdAt  2026-11-22T10:00:01Z
updatedAt  2026-11-22T10:00:01Z
1 record`
	if got := strings.Join(trimmed(shownAs(t, code, 32)), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := shownAs(t, code, 100); len(got) != 3 {
		t.Errorf("with enough room: %q", got)
	}
}

func TestNestedValuesAreTrees(t *testing.T) {
	code := `({user: {name: "Ada 日本", roles: ["editor", "author of many long and winding posts"], address: {city: "Kyōto"}},
		post: "a text that is too long for the line that it is on", empty: {}, n: 1})`
	want := `├ user
│ ├ name     Ada 日本
│ ├ roles
│ │ ├ 0  editor
│ │ └ 1  author of many long and
│ │      winding posts
│ └ address  {city: "Kyōto"}
├ post   a text that is too long
│        for the line that it is
│        on
├ empty  {}
└ n      1`
	got := strings.Join(trimmed(shownAs(t, code, 32)), "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	list := shownAs(t, `[{a: 1, b: {c: "long enough for a line of its own"}}, [1, 2]]`, 32)
	if got := strings.Join(trimmed(list), "\n"); got != "├ 0\n│ ├ a  1\n│ └ b\n│   └ c  long enough for a line\n│        of its own\n└ 1  [1, 2]" {
		t.Errorf("a list:\n%s", got)
	}
}

func TestManyRecordsAreShownInPart(t *testing.T) {
	lines := shownAs(t, `User.create(Array.from({length: 120}, (_, i) => ({name: "user " + i}))); User.all()`, 80)
	if n := len(lines); n != previewed+2 || !strings.HasPrefix(lines[n-1], "50 of 120 records") {
		t.Errorf("%d lines, the last %q", n, lines[n-1])
	}
	lines = shownAs(t, `User.create(Array.from({length: 60}, (_, i) => ({name: "user " + i}))); User.all().limit(3)`, 80)
	if n := len(lines); n != 5 || lines[4] != "3 records" {
		t.Errorf("%d lines, the last %q", n, lines[n-1])
	}
}

func TestPointerIntoALongLine(t *testing.T) {
	src := Source{Text: strings.Repeat("a + ", 100) + "b c" + strings.Repeat(" + d", 100)}
	_, err := compile(src)
	lines := show.Formatter{Width: 40}.Failure(err.(*show.Failure))
	if len(lines) != 3 || term.Width(lines[1]) > 40 || lines[1][term.Width(lines[2])-1] != 'c' {
		t.Errorf("got %q", lines)
	}
}
