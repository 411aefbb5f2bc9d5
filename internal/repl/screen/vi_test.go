package screen

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
)

// viKeys presses keys; ␛ is escape, ⏎ starts another line.
func (st *stage) viKeys(keys string) {
	for _, r := range keys {
		switch r {
		case '␛':
			st.press(tea.KeyEsc)
		case '⏎':
			st.press(tea.KeyCtrlJ)
		case ' ':
			st.send(tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{r}})
		default:
			st.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
		}
	}
}

func TestViKeys(t *testing.T) {
	for _, test := range []struct{ keys, want string }{ // | is the cursor
		{"one two", "one two|"},
		{"one two␛", "one tw|o"},
		{"one two␛bi-", "one -|two"},
		{"one two␛0a-", "o-|ne two"},
		{"one two␛0wx", "one |wo"},
		{"one two␛0dw", "|two"},
		{"one two three␛0wdw", "one |three"},
		{"one two three␛02dw", "|three"},
		{"one two␛0cwx", "x| two"},
		{"one two␛0cwa␛wcwb", "a b|"},
		{"one two␛ccx", "x|"},
		{"one two␛ddix", "x|"},
		{"one two␛0de", "| two"},
		{"one two three␛bbd$", "one| "},
		{"one two␛bD", "one| "},
		{"one two␛bC3", "one 3|"},
		{"one two␛0ywP", "one| one two"},
		{"one two␛0xp", "n|oe two"},
		{"one two␛X", "one t|o"},
		{"one two␛0rX", "|Xne two"},
		{"one two␛0~~~", "ONE| two"},
		{"one two␛0ft", "one |two"},
		{"one two␛0tt", "one| two"},
		{"one two␛0dtw", "|wo"},
		{"f(a, b)␛F(a1, ", "f(1, |a, b)"},
		{"f(a, b)␛T(", "f(|a, b)"},
		{"a b c␛0f ;", "a b| c"},
		{"one two␛0dwu", "|one two"},
		{"one⏎two␛ox", "one\ntwo\nx|"},
		{"one⏎two␛Ox", "one\nx|\ntwo"},
		{"  one␛Ix", "  x|one"},
		{"one␛0Ax", "onex|"},
		{"one␛0e", "on|e"},
		{"日本 語␛0wx", "日本| "},
		{"one␛s2", "on2|"},
		{"one two␛S3", "3|"},
		{"a.b(c)␛0wwdw", "a.|(c)"},
		{"␛x", "|"},
		{"␛dw", "|"},
		{"one␛d␛x", "o|n"},
		{"one two␛Gx", "one t|w"},
	} {
		st := newStage(t, 100, 24, Options{Vi: true})
		st.viKeys(test.keys)
		ed := &st.screen.editor
		if got := ed.before() + "|" + strings.Join(ed.letters[ed.at:], ""); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.keys, got, test.want)
		}
	}
}

func TestViModesAndHistory(t *testing.T) {
	st := newStage(t, 100, 24, Options{})
	st.enter("1 + 1", "2 + 2")
	st.enter(".vi")
	st.viKeys("x␛")
	st.wants("command")
	st.viKeys("kk")
	if got := st.screen.editor.text(); got != "1 + 1" {
		t.Errorf("k leads to %q", got)
	}
	st.viKeys("j")
	st.press(tea.KeyEnter)
	st.wants("› 2 + 2", "  4")
	st.viKeys("␛/")
	st.wants("search: ")
	st.press(tea.KeyEsc)
	st.viKeys("i")
	st.lacks("command")
	st.press(tea.KeyCtrlC)
	st.enter(".emacs", "3 + 4")
	st.wants("  7")
}
