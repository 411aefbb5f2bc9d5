package repl

import (
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// An editor is the text that is being typed, and the cursor in it. It counts in
// letters as a person sees them, of which an emoji may be several characters.
type editor struct {
	letters []string
	at      int
	killed  string // what was cut last
}

const longestInput = 1 << 20

func lettersOf(text string) []string {
	var letters []string
	for len(text) > 0 {
		letter, _ := ansi.FirstGraphemeCluster(text, ansi.GraphemeWidth)
		if letter == "" {
			letter = text[:1]
		}
		letters = append(letters, letter)
		text = text[len(letter):]
	}
	return letters
}

func (ed *editor) text() string   { return strings.Join(ed.letters, "") }
func (ed *editor) before() string { return strings.Join(ed.letters[:ed.at], "") }
func (ed *editor) empty() bool    { return len(ed.letters) == 0 }

// set replaces everything, and puts the cursor at the end.
func (ed *editor) set(text string) {
	ed.letters = lettersOf(text)
	ed.at = len(ed.letters)
}

// insert types text, or pastes it: its lines are kept, its other controls not.
func (ed *editor) insert(text string) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", "  ").Replace(strings.ToValidUTF8(text, ""))
	text = strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || r == '\u2028' || r == '\u2029') {
			return -1
		}
		return r
	}, text)
	before, after := ed.before()+text, strings.Join(ed.letters[ed.at:], "")
	if len(before)+len(after) > longestInput {
		return
	}
	ed.set(before + after) // anew, for a letter may join the one before it
	ed.at = len(lettersOf(before))
}

// cut removes letters[from:to], and keeps them for yank when asked to.
func (ed *editor) cut(from, to int, keep bool) {
	if keep && from < to {
		ed.killed = strings.Join(ed.letters[from:to], "")
	}
	ed.letters = slices.Delete(ed.letters, from, to)
	ed.at = from
}

func (ed *editor) backspace() {
	if ed.at > 0 {
		ed.cut(ed.at-1, ed.at, false)
	}
}

func (ed *editor) deleteForward() {
	if ed.at < len(ed.letters) {
		ed.cut(ed.at, ed.at+1, false)
	}
}

func (ed *editor) move(by int) { ed.at = min(max(ed.at+by, 0), len(ed.letters)) }

func isWord(letter string) bool {
	return strings.IndexFunc(letter, wordRune) >= 0
}

// word is where the word before (-1) or after (1) the cursor ends.
func (ed *editor) word(direction int) int {
	at := ed.at
	next := func() string {
		if i := at + min(direction, 0); i >= 0 && i < len(ed.letters) {
			return ed.letters[i]
		}
		return ""
	}
	for next() != "" && !isWord(next()) {
		at += direction
	}
	for next() != "" && isWord(next()) {
		at += direction
	}
	return at
}

// lineStart and lineEnd are those of the line that the cursor is on.
func (ed *editor) lineStart() int {
	at := ed.at
	for at > 0 && ed.letters[at-1] != "\n" {
		at--
	}
	return at
}

func (ed *editor) lineEnd() int {
	at := ed.at
	for at < len(ed.letters) && ed.letters[at] != "\n" {
		at++
	}
	return at
}

// up and down move between lines. They report false at the first and the last.
func (ed *editor) up() bool {
	start := ed.lineStart()
	if start == 0 {
		return false
	}
	column := ed.at - start
	ed.at = start - 1
	ed.at = min(ed.lineStart()+column, start-1)
	return true
}

func (ed *editor) down() bool {
	end := ed.lineEnd()
	if end == len(ed.letters) {
		return false
	}
	column := ed.at - ed.lineStart()
	ed.at = end + 1
	ed.at = min(end+1+column, ed.lineEnd())
	return true
}

const (
	promptText  = "› "
	promptWidth = 2
)

// codeStyle is how a token of JavaScript looks.
func (st *styles) codeStyle(kind tokenKind) lipgloss.Style {
	switch kind {
	case keywordToken:
		return st.keyword
	case stringToken, templateToken, regexpToken:
		return st.text
	case numberToken:
		return st.number
	case commentToken:
		return st.dim
	}
	return st.plain
}

// codeLines lays code out behind a prompt, in lines of so many cells. A cursor
// of -1 is not shown. It returns the line that the cursor is on, too.
func codeLines(st *styles, letters []string, cursor, cells int) (lines []string, cursorLine int) {
	var s scanner
	tokens := s.scan(strings.Join(letters, ""))
	w := codeWriter{st: st, cells: max(cells, promptWidth+2)}
	w.prompt(promptText)
	offset := 0
	for i, letter := range letters {
		for len(tokens) > 1 && offset >= tokens[0].end {
			tokens = tokens[1:]
		}
		if i == cursor {
			cursorLine = w.cursor(letter)
		}
		if letter == "\n" {
			w.end()
			w.prompt(pad("", promptWidth))
		} else if i != cursor {
			w.write(letter, tokens[0].kind)
		}
		offset += len(letter)
	}
	if cursor == len(letters) {
		cursorLine = w.cursor(" ")
	}
	w.end()
	return w.lines, cursorLine
}

type codeWriter struct {
	st    *styles
	cells int
	lines []string
	line  strings.Builder
	used  int
	run   strings.Builder // letters that look alike
	kind  tokenKind
}

func (w *codeWriter) prompt(text string) {
	w.line.WriteString(paint(w.st.prompt, text))
	w.used = promptWidth
}

func (w *codeWriter) flush() {
	w.line.WriteString(paint(w.st.codeStyle(w.kind), w.run.String()))
	w.run.Reset()
}

func (w *codeWriter) end() {
	w.flush()
	w.lines = append(w.lines, w.line.String())
	w.line.Reset()
}

// room begins another line when the next letter does not fit on this one.
func (w *codeWriter) room(cells int) {
	if w.used+cells > w.cells {
		w.end()
		w.prompt(pad("", promptWidth))
	}
	w.used += cells
}

func (w *codeWriter) write(letter string, kind tokenKind) {
	letter = clean(letter)
	w.room(width(letter))
	if kind != w.kind {
		w.flush()
		w.kind = kind
	}
	w.run.WriteString(letter)
}

// cursor shows letter in reverse, which is no color, so it is seen without any.
func (w *codeWriter) cursor(letter string) (line int) {
	if letter == "\n" {
		letter = " "
	}
	letter = clean(letter)
	w.room(width(letter))
	w.flush()
	w.line.WriteString("\x1b[7m" + letter + "\x1b[27m")
	return len(w.lines)
}
