package screen

import (
	"slices"
	"strings"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
)

// A vi interprets keys like vi: in command mode, letters move and change; in insert
// mode they are typed.
type vi struct {
	command  bool
	count    int
	operator string // d, c or y, waiting for a motion
	awaits   string // r, f, t, F or T, waiting for a letter
	found    string // the last f, t, F or T, and its letter
}

func newVi() *vi { return &vi{} }

// key handles a key, and reports whether it was a vi key.
func (v *vi) key(s *screen, msg tea.KeyMsg) bool {
	ed := &s.editor
	if msg.Type == tea.KeyEsc || msg.Alt && msg.Type == tea.KeyRunes { // esc and a letter in one message
		if !v.command {
			v.command = true
			ed.at = max(ed.at-1, ed.lineStart())
		}
		v.count, v.operator, v.awaits = 0, "", ""
		if msg.Type == tea.KeyEsc {
			return true
		}
	}
	if !v.command || msg.Type != tea.KeyRunes && msg.Type != tea.KeySpace || len(msg.Runes) != 1 {
		return false
	}
	letter := string(msg.Runes)
	switch {
	case v.awaits != "":
		v.letter(s, letter)
	case letter >= "1" && letter <= "9" || letter == "0" && v.count > 0:
		v.count = min(v.count*10+int(letter[0]-'0'), 9999)
	case v.operator != "" && letter == v.operator:
		v.apply(s, ed.lineStart(), ed.lineEnd())
	default:
		v.act(s, letter)
	}
	return true
}

// letter handles the letter that r, f, t, F or T waited for.
func (v *vi) letter(s *screen, letter string) {
	ed, does := &s.editor, v.awaits
	v.awaits = ""
	if does == "r" {
		if ed.at < len(ed.letters) && ed.letters[ed.at] != "\n" {
			ed.saveUndo()
			ed.letters[ed.at] = letter
		}
		return
	}
	v.found = does + letter
	v.motion(s, v.found)
}

// act runs a letter in command mode.
func (v *vi) act(s *screen, letter string) {
	if strings.Contains("rftFT", letter) {
		v.awaits = letter
		return
	}
	if v.operator == "" && v.change(s, letter) {
		v.count = 0
		return
	}
	if v.operator == "" && strings.Contains("dcy", letter) {
		v.operator = letter
		return
	}
	v.motion(s, letter)
}

// change runs a command that needs no motion. It reports whether letter is one.
func (v *vi) change(s *screen, letter string) bool {
	ed := &s.editor
	insert := func(at int) bool {
		v.command, ed.at = false, at
		return true
	}
	switch letter {
	case "i":
		return insert(ed.at)
	case "a":
		return insert(min(ed.at+1, ed.lineEnd()))
	case "I":
		return insert(ed.indented())
	case "A":
		return insert(ed.lineEnd())
	case "o":
		ed.at = ed.lineEnd()
		ed.saveUndo()
		ed.insert("\n")
		return insert(ed.at)
	case "O":
		ed.at = ed.lineStart()
		ed.saveUndo()
		ed.insert("\n")
		return insert(ed.at - 1)
	case "x":
		v.operator = "d"
		v.apply(s, ed.at, min(ed.at+max(v.count, 1), ed.lineEnd()))
	case "X":
		v.operator = "d"
		v.apply(s, max(ed.at-max(v.count, 1), ed.lineStart()), ed.at)
	case "s":
		v.operator = "c"
		v.apply(s, ed.at, min(ed.at+max(v.count, 1), ed.lineEnd()))
	case "S":
		v.operator = "c"
		v.apply(s, ed.lineStart(), ed.lineEnd())
	case "D", "C":
		v.operator = strings.ToLower(letter)
		v.apply(s, ed.at, ed.lineEnd())
	case "p", "P":
		ed.saveUndo()
		if letter == "p" {
			ed.at = min(ed.at+1, ed.lineEnd())
		}
		ed.insert(ed.killed)
		ed.at = max(ed.at-1, 0)
	case "~":
		ed.transform(ed.at, min(ed.at+max(v.count, 1), ed.lineEnd()), otherCase)
	case "u":
		ed.undo()
	case "k", "j":
		s.recall(letter == "k")
		ed.at = ed.lineStart()
	case "/":
		s.beginSearch()
	default:
		return false
	}
	return true
}

func otherCase(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, text)
}

// motion moves the cursor, or applies the waiting operator up to the new position.
func (v *vi) motion(s *screen, motion string) {
	ed := &s.editor
	from, inclusive := ed.at, false
	for range max(v.count, 1) {
		ed.at, inclusive = v.target(ed, motion)
	}
	at := ed.at
	ed.at = from
	v.count = 0
	if v.operator == "" {
		ed.at = min(at, max(ed.lineEndOf(at)-1, ed.lineStartOf(at)))
		return
	}
	if v.operator == "c" && motion == "w" && from < len(ed.letters) && isWord(ed.letters[from]) {
		for at = from + 1; at < len(ed.letters) && isWord(ed.letters[at]); { // cw leaves the space, as in vi
			at++
		}
	}
	if inclusive {
		at++
	}
	v.apply(s, min(from, at), min(max(from, at), len(ed.letters)))
}

// target returns where a motion leads, and whether it includes the letter there.
func (v *vi) target(ed *editor, motion string) (at int, inclusive bool) {
	switch motion {
	case "h":
		return max(ed.at-1, ed.lineStart()), false
	case "l", " ":
		return min(ed.at+1, ed.lineEnd()), false
	case "w", "W":
		return ed.nextWord(ed.at), false
	case "b", "B":
		return ed.word(-1), false
	case "e", "E":
		return ed.wordEnd(ed.at), true
	case "0":
		return ed.lineStart(), false
	case "^":
		return ed.indented(), false
	case "$":
		return ed.lineEnd(), false
	case "G":
		return len(ed.letters), false
	case ";":
		return v.target(ed, v.found)
	}
	if len(motion) > 1 {
		return v.find(ed, motion[:1], motion[1:])
	}
	return ed.at, false
}

// find returns where f, t, F or T finds a letter in the line.
func (v *vi) find(ed *editor, how, letter string) (at int, inclusive bool) {
	line := ed.letters[ed.at:ed.lineEnd()]
	if how == "F" || how == "T" {
		before := ed.letters[ed.lineStart():ed.at]
		for i := len(before) - 1; i >= 0; i-- {
			if before[i] == letter {
				return ed.lineStart() + i + map[string]int{"T": 1}[how], false
			}
		}
		return ed.at, false
	}
	if i := slices.Index(line[min(1, len(line)):], letter); i >= 0 {
		return ed.at + 1 + i - map[string]int{"t": 1}[how], true
	}
	return ed.at, false
}

// apply applies the operator to letters[from:to].
func (v *vi) apply(s *screen, from, to int) {
	ed, does := &s.editor, v.operator
	v.operator, v.count = "", 0
	if from >= to && does != "c" {
		return
	}
	ed.killed = strings.Join(ed.letters[from:to], "")
	if does != "y" {
		ed.saveUndo()
		ed.cut(from, to, false)
	}
	ed.at = from
	if v.command = does != "c"; v.command {
		ed.at = min(ed.at, max(ed.lineEnd()-1, ed.lineStart()))
	}
}
