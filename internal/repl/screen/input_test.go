package screen

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/towerkit/tower/internal/repl/term"
)

func TestEditorKeys(t *testing.T) {
	alt := func(r rune) tea.KeyMsg { return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: true} }
	key := func(kind tea.KeyType) tea.KeyMsg { return tea.KeyMsg{Type: kind} }
	for _, test := range []struct {
		name, text string // | is the cursor
		keys       []tea.KeyMsg
		want       string
	}{
		{"start", "ab cd|", []tea.KeyMsg{key(tea.KeyCtrlA)}, "|ab cd"},
		{"end", "|ab cd", []tea.KeyMsg{key(tea.KeyCtrlE)}, "ab cd|"},
		{"start of the line", "ab\ncd|", []tea.KeyMsg{key(tea.KeyHome)}, "ab\n|cd"},
		{"word left", "Post.where(x)|", []tea.KeyMsg{alt('b'), alt('b')}, "Post.|where(x)"},
		{"word right", "|Post.where(x)", []tea.KeyMsg{alt('f'), alt('f')}, "Post.where|(x)"},
		{"cut to the end", "ab| cd", []tea.KeyMsg{key(tea.KeyCtrlK)}, "ab|"},
		{"cut the end of the line", "ab|\ncd", []tea.KeyMsg{key(tea.KeyCtrlK)}, "ab|cd"},
		{"cut to the start and put it back twice", "ab |cd", []tea.KeyMsg{key(tea.KeyCtrlU), key(tea.KeyCtrlY), key(tea.KeyCtrlY)}, "ab ab |cd"},
		{"cut a word", "ab cd|", []tea.KeyMsg{key(tea.KeyCtrlW)}, "ab |"},
		{"cut the next word", "ab| cd ef", []tea.KeyMsg{alt('d')}, "ab| ef"},
		{"backspace over an emoji", "a👩‍👩‍👧|b", []tea.KeyMsg{key(tea.KeyBackspace)}, "a|b"},
		{"left over wide letters", "日本|", []tea.KeyMsg{key(tea.KeyLeft)}, "日|本"},
		{"delete", "a|日b", []tea.KeyMsg{key(tea.KeyDelete)}, "a|b"},
		{"up keeps the column", "abc\nd\nef|", []tea.KeyMsg{key(tea.KeyUp), key(tea.KeyUp)}, "a|bc\nd\nef"},
		{"down stops at the end of the line", "abc|\nd", []tea.KeyMsg{key(tea.KeyDown)}, "abc\nd|"},
		{"at the edges", "|", []tea.KeyMsg{key(tea.KeyLeft), key(tea.KeyRight), key(tea.KeyBackspace), key(tea.KeyDelete), key(tea.KeyCtrlW), alt('b'), alt('f'), alt('d')}, "|"},
		{"a mark joins the letter before it", "e|x", []tea.KeyMsg{{Type: tea.KeyRunes, Runes: []rune("\u0301")}}, "e\u0301|x"},
		{"swap letters", "ab|", []tea.KeyMsg{key(tea.KeyCtrlT)}, "ba|"},
		{"swap letters in between", "a|b", []tea.KeyMsg{key(tea.KeyCtrlT)}, "ba|"},
		{"upper case", "|ab cd", []tea.KeyMsg{alt('u')}, "AB| cd"},
		{"lower case", "|AB cd", []tea.KeyMsg{alt('l')}, "ab| cd"},
		{"title case", "|ab cd", []tea.KeyMsg{alt('c'), alt('c')}, "Ab Cd|"},
		{"undo", "ab cd|", []tea.KeyMsg{key(tea.KeyCtrlW), key(tea.KeyCtrlW), key(tea.KeyCtrlUnderscore)}, "ab |"},
		{"undo a word", "|", []tea.KeyMsg{{Type: tea.KeyRunes, Runes: []rune("a")}, {Type: tea.KeyRunes, Runes: []rune("b")}, key(tea.KeyCtrlUnderscore)}, "|"},
		{"undo with two keys", "ab|", []tea.KeyMsg{key(tea.KeyCtrlU), key(tea.KeyCtrlX), key(tea.KeyCtrlU)}, "ab|"},
		{"another line", "a|", []tea.KeyMsg{{Type: tea.KeyEnter, Alt: true}}, "a\n|"},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := newStage(t, 80, 24, Options{})
			before, after, _ := strings.Cut(test.text, "|")
			st.screen.editor.set(before + after)
			st.screen.editor.at = len(lettersOf(before))
			for _, k := range test.keys {
				st.send(k)
			}
			ed := &st.screen.editor
			if got := ed.before() + "|" + strings.Join(ed.letters[ed.at:], ""); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLongInputIsWrappedWithTheCursorVisible(t *testing.T) {
	st := newStage(t, 60, 20, Options{})
	st.send(tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune(strings.Repeat("日本語 and more, ", 200))})
	checkSize(t, st.screen.view(), 60, 20)
	if !strings.Contains(st.screen.view(), "\x1b[7m") {
		t.Error("the cursor is not visible at the end")
	}
	st.press(tea.KeyCtrlA)
	if !strings.Contains(st.screen.view(), "\x1b[7m日") {
		t.Errorf("the cursor is not visible at the start:\n%s", st.text())
	}
}

func TestInputHasAnEnd(t *testing.T) {
	var ed editor
	ed.insert(strings.Repeat("x", longestInput))
	ed.insert("y")
	if len(ed.letters) != longestInput {
		t.Errorf("%d letters", len(ed.letters))
	}
}

func TestCodeLines(t *testing.T) {
	st := theme("none")
	lines, cursor := codeLines(&st, term.Paint(st.Prompt, promptText), lettersOf("let 日本 = 1\nf()"), 12, 10)
	want := []string{"› let 日本", "   = 1", "  f()"}
	for i := range lines {
		lines[i] = ansi.Strip(lines[i])
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") || cursor != 2 {
		t.Errorf("got %q, cursor on line %d", lines, cursor)
	}
}
