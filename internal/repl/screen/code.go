package screen

import (
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

const (
	promptText  = "› "
	promptWidth = 2
)

// codeStyle returns the style of a token of JavaScript.
func codeStyle(st *term.Styles, kind show.TokenKind) lipgloss.Style {
	switch kind {
	case show.KeywordToken:
		return st.Keyword
	case show.StringToken, show.TemplateToken, show.RegexpToken:
		return st.Text
	case show.NumberToken:
		return st.Number
	case show.CommentToken:
		return st.Dim
	}
	return st.Plain
}

// codeLines lays code out after a prompt, in lines of at most cells cells. It shows no
// cursor if cursor is -1. It also returns the line of the cursor.
func codeLines(st *term.Styles, prompt string, letters []string, cursor, cells int) (lines []string, cursorLine int) {
	var s show.Lexer
	tokens := s.Scan(strings.Join(letters, ""))
	w := codeWriter{st: st, cells: max(cells, promptWidth+2)}
	w.prompt(prompt)
	offset := 0
	for i, letter := range letters {
		for len(tokens) > 1 && offset >= tokens[0].End {
			tokens = tokens[1:]
		}
		if i == cursor {
			cursorLine = w.cursor(letter)
		}
		if letter == "\n" {
			w.end()
			w.indent()
		} else if i != cursor {
			w.write(letter, tokens[0].Kind)
		}
		offset += len(letter)
	}
	if cursor == len(letters) {
		cursorLine = w.cursor(" ")
	}
	w.end()
	return w.lines, cursorLine
}

// A codeWriter builds the lines of codeLines letter by letter.
type codeWriter struct {
	st    *term.Styles
	cells int
	lines []string
	line  strings.Builder
	used  int
	run   strings.Builder // consecutive letters of one style
	kind  show.TokenKind
}

func (w *codeWriter) prompt(text string) {
	w.line.WriteString(text)
	w.used = term.Width(text)
}

func (w *codeWriter) indent() { w.prompt(term.Pad("", promptWidth)) }

func (w *codeWriter) flush() {
	w.line.WriteString(term.Paint(codeStyle(w.st, w.kind), w.run.String()))
	w.run.Reset()
}

func (w *codeWriter) end() {
	w.flush()
	w.lines = append(w.lines, w.line.String())
	w.line.Reset()
}

// room starts another line if the next letter does not fit on this one.
func (w *codeWriter) room(cells int) {
	if w.used+cells > w.cells {
		w.end()
		w.indent()
	}
	w.used += cells
}

func (w *codeWriter) write(letter string, kind show.TokenKind) {
	letter = term.Clean(letter)
	w.room(term.Width(letter))
	if kind != w.kind {
		w.flush()
		w.kind = kind
	}
	w.run.WriteString(letter)
}

// cursor shows a letter in reverse video, which is visible even without color.
func (w *codeWriter) cursor(letter string) (line int) {
	if letter == "\n" {
		letter = " "
	}
	letter = term.Clean(letter)
	w.room(term.Width(letter))
	w.flush()
	w.line.WriteString("\x1b[7m" + letter + "\x1b[27m")
	return len(w.lines)
}
