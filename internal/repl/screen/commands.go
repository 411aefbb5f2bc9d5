package screen

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/repl/live"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A command controls the console, not the application: a line that begins with a dot.
type command struct {
	name, does string
	do         func(s *screen) tea.Cmd
}

func commands() []command {
	return []command{
		{".edit", "write the code in $EDITOR (^X ^E)", (*screen).edit},
		{".copy", "copy the last result to the terminal's clipboard (alt+w)", (*screen).copyResult},
		{".keys", "show this help (?)", func(s *screen) tea.Cmd { s.openKeyHelp(); return nil }},
		{".vi", "use vi keys for this session", func(s *screen) tea.Cmd { s.vi = newVi(); return s.showHint("vi keys; esc for command mode") }},
		{".emacs", "use emacs keys, the default", func(s *screen) tea.Cmd { s.vi = nil; return s.showHint("emacs keys") }},
		{".mouse", "leave the mouse to the terminal, or scroll with its wheel again", (*screen).toggleMouse},
		{".clear", "clear the screen (^L)", (*screen).clearScreen},
		{".exit", "leave (^D)", func(*screen) tea.Cmd { return tea.Quit }},
	}
}

func commandHelp() [][2]string {
	var lines [][2]string
	for _, c := range commands() {
		lines = append(lines, [2]string{c.name, c.does})
	}
	return lines
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// isCommand reports whether the input is a command of the console.
func isCommand(typed string) bool {
	return len(typed) > 1 && typed[0] == '.' && typed[1] >= 'a' && typed[1] <= 'z'
}

// command runs a command of the console.
func (s *screen) command(typed string) tea.Cmd {
	for _, c := range commands() {
		if c.name == typed {
			return c.do(s)
		}
	}
	name := strings.Fields(typed)[0]
	hint := show.DidYouMean(name, commandNames())
	s.transcript.add(&entry{typed: typed})
	s.transcript.add(&entry{failure: &show.Failure{Message: "there is no command " + term.Clean(typed), Hint: cmp.Or(hint, "the commands are "+strings.Join(commandNames(), ", "))}})
	return nil
}

func (s *screen) clearScreen() tea.Cmd {
	s.transcript.clear()
	return tea.ClearScreen
}

// editedMsg is the result of the editor.
type editedMsg struct {
	path string
	err  error
}

// edit opens the input in the person's editor.
func (s *screen) edit() tea.Cmd {
	path, err := writeDraft(s.editor.text())
	if err != nil {
		return s.showHint(fmt.Sprintf("write the file to edit: %v", err))
	}
	cmd := editorCommand(cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR")), path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.o.Input, s.o.Output, s.o.Output // the terminal itself
	s.tty.release()
	return tea.ExecProcess(cmd, func(err error) tea.Msg { return editedMsg{path, err} })
}

func writeDraft(text string) (path string, err error) {
	folder, err := private.Temp("tower-edit-") // for what an editor keeps beside it as well
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "console.js")
	return path, os.WriteFile(path, []byte(text+"\n"), 0o600)
}

// edited replaces the input with the edited text.
func (s *screen) edited(msg editedMsg) tea.Cmd {
	s.tty.guard()
	defer os.RemoveAll(filepath.Dir(msg.path)) // an error would leave only a temporary file
	if msg.err != nil {
		return s.showHint(fmt.Sprintf("run the editor: %v; set $EDITOR to choose one", msg.err))
	}
	text, err := os.ReadFile(msg.path)
	if err != nil {
		return s.showHint(fmt.Sprintf("read the edited file: %v", err))
	}
	s.editor.saveUndo()
	s.editor.set("")
	s.editor.insert(strings.TrimRight(string(text), " \t\r\n"))
	return nil
}

// longestCopy is the number of bytes that terminals commonly accept.
const longestCopy = 74_000

// copyText copies text to the clipboard of the person's terminal, which may be on
// another machine.
func (s *screen) copyText(what, text string) tea.Cmd {
	if len(text) > longestCopy {
		return s.showHint(fmt.Sprintf("%s is too large for the terminal's clipboard: %s; the limit is %s", what, term.Bytes(int64(len(text))), term.Bytes(longestCopy)))
	}
	s.tty.writeSequence(ansi.SetClipboard(ansi.SystemClipboard, text))
	return s.showHint("copied " + what + ", " + show.Counted(len(lettersOf(text)), "letter"))
}

// copyResult copies the last result: a text unchanged, other values as JSON.
func (s *screen) copyResult() tea.Cmd {
	v := s.transcript.result()
	if v == nil {
		return s.showHint("there is no result to copy")
	}
	return s.copyText("the last result", copyOf(*v))
}

func copyOf(v show.Value) string {
	if v.Kind == show.String || v.Kind == show.Text {
		return v.Text
	}
	encoded := show.AppendJSON(nil, v)
	var out bytes.Buffer
	if err := json.Indent(&out, encoded, "", "  "); err != nil {
		return string(encoded)
	}
	return out.String()
}

// copyRow copies the selected row of the live pane.
func (s *screen) copyRow(l *live.Listing) tea.Cmd {
	r := l.Current()
	if l.Open != nil {
		r = l.Open
	}
	if r == nil {
		return s.showHint("nothing is selected")
	}
	return s.copyText(r.Copy())
}
