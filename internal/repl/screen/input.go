package screen

import (
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/towerkit/tower/internal/repl/show"
)

// An editor is the input being typed and the cursor in it. Positions count letters as a
// person sees them; an emoji of several runes is one letter.
type editor struct {
	letters []string
	at      int
	killed  string      // the last cut text
	undos   []undoState // earlier states
	typing  bool        // the last change was a letter
}

// An undoState is the input before a change.
type undoState struct {
	text string
	at   int
}

const maxUndos = 100

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

// saveUndo saves the current state before a change.
func (ed *editor) saveUndo() {
	now := undoState{ed.text(), ed.at}
	if n := len(ed.undos); n > 0 && ed.undos[n-1].text == now.text {
		return
	}
	if ed.undos = append(ed.undos, now); len(ed.undos) > maxUndos {
		ed.undos = slices.Delete(ed.undos, 0, 1)
	}
}

// undo restores the state before the last change.
func (ed *editor) undo() {
	for n := len(ed.undos); n > 0; n = len(ed.undos) {
		before := ed.undos[n-1]
		ed.undos = ed.undos[:n-1]
		if before.text != ed.text() {
			ed.set(before.text)
			ed.at = min(before.at, len(ed.letters))
			return
		}
	}
}

// set replaces the input and moves the cursor to the end.
func (ed *editor) set(text string) {
	ed.letters = lettersOf(text)
	ed.at = len(ed.letters)
}

// insert inserts typed or pasted text. It keeps line breaks and removes other control
// characters.
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
	ed.set(before + after) // split again, because the first new letter may combine with the one before it
	ed.at = len(lettersOf(before))
}

// cut removes letters[from:to], and keeps them for yank if keep is set.
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
	return strings.IndexFunc(letter, show.IsWordRune) >= 0
}

// word returns the end of the word before (-1) or after (1) the cursor.
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

// nextWord returns the start of the next word. wordEnd returns the last letter of the
// current word, or of the next.
func (ed *editor) nextWord(at int) int {
	kind := func(i int) int {
		switch {
		case strings.TrimSpace(ed.letters[i]) == "":
			return 0
		case isWord(ed.letters[i]):
			return 1
		}
		return 2
	}
	for start := at; at < len(ed.letters) && kind(start) != 0 && kind(at) == kind(start); {
		at++
	}
	for at < len(ed.letters) && kind(at) == 0 {
		at++
	}
	return at
}

func (ed *editor) wordEnd(at int) int {
	last := len(ed.letters) - 1
	at = min(at+1, max(last, 0))
	for at < last && strings.TrimSpace(ed.letters[at]) == "" {
		at++
	}
	for at < last && isWord(ed.letters[at]) == isWord(ed.letters[at+1]) && strings.TrimSpace(ed.letters[at+1]) != "" {
		at++
	}
	return at
}

// transform changes letters[from:to] and moves the cursor after them.
func (ed *editor) transform(from, to int, change func(string) string) {
	if from >= to {
		return
	}
	ed.saveUndo()
	changed := lettersOf(change(strings.Join(ed.letters[from:to], "")))
	ed.letters = slices.Replace(ed.letters, from, to, changed...)
	ed.at = from + len(changed)
}

// transpose swaps the letters around the cursor.
func (ed *editor) transpose() {
	at := min(ed.at, len(ed.letters)-1)
	if at > 0 {
		ed.saveUndo()
		ed.letters[at-1], ed.letters[at] = ed.letters[at], ed.letters[at-1]
		ed.at = at + 1
	}
}

// indented returns the position of the first letter of the line that is not a space.
func (ed *editor) indented() int {
	at, end := ed.lineStart(), ed.lineEnd()
	for at < end && ed.letters[at] == " " {
		at++
	}
	return at
}

// lineStart and lineEnd return the ends of the cursor's line.
func (ed *editor) lineStart() int { return ed.lineStartOf(ed.at) }
func (ed *editor) lineEnd() int   { return ed.lineEndOf(ed.at) }

func (ed *editor) lineStartOf(at int) int {
	for at > 0 && ed.letters[at-1] != "\n" {
		at--
	}
	return at
}

func (ed *editor) lineEndOf(at int) int {
	for at < len(ed.letters) && ed.letters[at] != "\n" {
		at++
	}
	return at
}

// up and down move between lines. They return false on the first and the last line.
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
