package screen

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/fakeapp"
	"github.com/towerkit/tower/internal/wire"
)

// clipboard returns the last copied text.
func (st *stage) clipboard() string {
	st.t.Helper()
	all := strings.Split(st.sequences.String(), "\x1b]52;c;")
	text, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(all[len(all)-1], "\x07"))
	if err != nil {
		st.t.Fatal(err)
	}
	return string(text)
}

func TestCommands(t *testing.T) {
	st := newStage(t, 100, 60, Options{})
	st.enter(".copy")
	st.wants("there is no result to copy")
	st.enter(`"日本 text"`, ".copy")
	if got := st.clipboard(); got != "日本 text" {
		t.Errorf("copied %q", got)
	}
	st.wants("copied the last result, 7 letters")
	st.enter(`({a: [1, "x"]})`)
	st.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("w"), Alt: true})
	if got := st.clipboard(); got != "{\n  \"a\": [\n    1,\n    \"x\"\n  ]\n}" {
		t.Errorf("copied %q", got)
	}
	st.enter(`"x".repeat(100000)`, ".copy")
	st.wants("too large for the terminal's clipboard: 97.7 KiB")
	st.enter(".edti")
	st.wants("there is no command .edti", "did you mean .edit?")
	st.enter(".foobar")
	st.wants("the commands are .edit, .copy")
	st.enter(".clear")
	st.lacks("foobar")
	st.enter(".keys")
	st.wants("all details", "esc back", ".copy")
	st.press(tea.KeyEsc)
	st.type_("?")
	st.wants("Typing, emacs keys")
	st.press(tea.KeyEsc)
	st.type_("x ? 1 : 2")
	if got := st.screen.editor.text(); got != "x ? 1 : 2" {
		t.Errorf("? in a text: %q", got)
	}
	st.press(tea.KeyCtrlC)
	st.enter(".exit")
	if !st.quit {
		t.Error(".exit does not leave")
	}
}

func TestCommandsComplete(t *testing.T) {
	st := newStage(t, 100, 30, Options{})
	st.type_(".ed")
	st.press(tea.KeyTab)
	if got := st.screen.editor.text(); got != ".edit" {
		t.Errorf("completed %q", got)
	}
}

func TestEditedTextReplacesTheInput(t *testing.T) {
	st := newStage(t, 100, 30, Options{})
	st.type_("1 +")
	path, err := writeDraft(st.screen.editor.text())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "1 +\n" {
		t.Errorf("the file to edit has %q: %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("let a = 1\n\n  a + 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	st.send(editedMsg{path: path})
	if got := st.screen.editor.text(); got != "let a = 1\n\n  a + 2" {
		t.Errorf("typed %q", got)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file still exists: %v", err)
	}
	st.send(tea.KeyMsg{Type: tea.KeyCtrlUnderscore})
	if got := st.screen.editor.text(); got != "1 +" {
		t.Errorf("undone to %q", got)
	}
	st.send(editedMsg{path: path, err: errors.New("exit status 1")})
	st.wants("run the editor: exit status 1; set $EDITOR to choose one")
}

func TestPager(t *testing.T) {
	st := newStage(t, 80, 24, Options{})
	st.press(tea.KeyCtrlO) // there is nothing to show
	st.enter(`Array.from({length: 100}, (_, i) => ({title: "n" + i, likes: i}))`)
	st.wants("more lines, ^O to show")
	st.lacks("n50")
	st.press(tea.KeyCtrlO)
	st.wants("n17", "20 of 102 lines")
	st.type_("  ")
	st.wants("n50", "56 of 102 lines")
	st.press(tea.KeyEnd)
	st.wants("100 items", "102 of 102 lines")
	st.type_("g/N4")
	st.wants("/N4")
	st.press(tea.KeyEnter)
	if !strings.Contains(st.screen.view(), "\x1b[7mn4\x1b[27m") {
		t.Errorf("the match is not marked:\n%s", st.text())
	}
	st.type_("n")
	st.wants("n40")
	st.type_("N")
	st.wants("n4 ")
	st.press(tea.KeyPgDown, tea.KeyPgUp, tea.KeyDown, tea.KeyUp)
	st.type_("/zzz")
	st.press(tea.KeyEsc)
	st.type_("q")
	st.wants("more lines, ^O to show")
}

func TestChangesOfARebuiltApplicationAreShown(t *testing.T) {
	st := newStage(t, 180, 24, Options{})
	hello := st.app.Hello()
	hello.PID = 2
	st.send(control.Away{})
	st.send(control.Attached{Hello: hello})
	st.wants("The application was restarted.")

	hello.Build = "b2"
	hello.Models = []wire.ModelInfo{{Name: "posts", Type: "Post", Fields: append([]wire.FieldInfo{{Name: "subtitle", Type: "string"}}, fakeapp.Models[0].Fields[:8]...)}, {Name: "tags", Type: "Tag"}}
	hello.Models[0].Fields[6].Type = "float"
	st.send(control.Attached{Hello: hello})
	st.wants("The application was rebuilt. Variables are kept.", "Post gained subtitle, changed likes (float), lost updatedAt.", "Model Tag was added.", "Model User was removed.")
	hello.Epoch = "01JZZZZZZZZZZZZZZZZZZZZZZZ"
	st.send(control.Attached{Hello: hello})
	st.wants("It has a different store.")
}
