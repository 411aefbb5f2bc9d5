package live

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

const (
	longestPane  = 500 // activities
	shownChanges = 4   // of one commit
	shownValues  = 3   // of one change
	shownReaches = 6   // of one commit
	outcomeRoom  = 20  // two gaps and "change ✓ 12.3 ms"
	roomyPane    = 50  // cells; a narrower pane uses a compact layout
)

// An activity is a commit, or a note about a connection.
type activity struct {
	number  uint64
	commit  *wire.CommitEvent
	applied map[client]int64 // microseconds, by connection
	nodes   map[int]int      // connections that it reached, by the nodes that have reported it
	note    string
	dense   bool // it arrived in a burst and is shown on one line

	cells int // the width of the cached lines
	lines []string
}

func (h *activity) key() string { return strconv.FormatUint(h.number, 36) }

func (h *activity) text() string {
	c := h.commit
	if c == nil {
		return h.note
	}
	words := []string{fmt.Sprintf("#%d", c.Seq), c.By}
	for _, change := range c.Changes {
		words = append(words, change.Op, change.Model, change.ID, change.Label)
		words = append(words, change.Fields...)
	}
	words = append(words, c.Did)
	for _, reach := range c.Reached {
		if reach.Outcome == "" {
			words = append(words, reach.User, reach.Cursor)
		}
	}
	return strings.Join(words, " ")
}

// Copy implements [Row].
func (h *activity) Copy() (what, whole string) {
	if h.commit == nil {
		return "the note", h.note
	}
	encoded, err := json.MarshalIndent(h.commit, "", "  ")
	if err != nil {
		return "", ""
	}
	return fmt.Sprintf("commit #%d", h.commit.Seq), string(encoded)
}

func (h *activity) draw(f show.Formatter) []string {
	if h.cells == f.Width && h.lines != nil {
		return h.lines
	}
	h.cells = f.Width
	switch {
	case h.commit == nil:
		h.lines = []string{term.Paint(f.Styles.Dim, term.Cut(term.Clean(h.note), f.Width))}
	case h.dense:
		h.lines = []string{h.line(f)}
	default:
		h.lines = h.whole(f)
	}
	return h.lines
}

// line formats a commit on one line.
func (h *activity) line(f show.Formatter) string {
	tail := term.Paint(f.Styles.Dim, fmt.Sprintf("→ %d", h.commit.ReachedAll))
	if n := len(h.applied); n > 0 {
		tail += term.Paint(f.Styles.Good, " ✓ ") + term.Paint(f.Styles.Dim, strconv.Itoa(n))
	}
	head := commitHead(f, h.commit, true)
	if by := " " + term.Paint(f.Styles.Dim, authorOf(h.commit.By)); term.Width(head)+term.Width(by)+term.Width(tail)+2 <= f.Width {
		head += " " + by
	}
	room := f.Width - term.Width(tail) - 2
	return term.Pad(term.Cut(head, room), room) + "  " + tail
}

// whole formats a commit with its changes and the cursors it reached.
func (h *activity) whole(f show.Formatter) []string {
	head, by := commitHead(f, h.commit, false), authorOf(h.commit.By)
	reached := "→ " + h.reached()
	if h.commit.ReachedAll > 0 {
		reached += " in " + show.Duration(h.commit.Micros)
	}
	reached = below(f) + term.Paint(f.Styles.Dim, term.Cut(reached, f.Width-len(below(f))))
	lines := []string{"", term.Cut(head, f.Width)}
	// The author goes on the first line that has room.
	if line, ok := beside(f, head, by); ok {
		lines[1] = line
	} else if line, ok := beside(f, reached, by); ok {
		reached = line
	} else {
		lines = append(lines, below(f)+term.Paint(f.Styles.Dim, term.Cut("by "+by, f.Width-len(below(f)))))
	}
	lines = append(lines, h.changes(f)...)
	lines = append(lines, reached)
	return append(lines, h.reaches(f, shownReaches)...)
}

// beside puts dimmed text at the right end of a line. It reports false if there is no
// room for it.
func beside(f show.Formatter, line, text string) (string, bool) {
	room := f.Width - term.Width(line) - term.Width(text)
	if room < 2 {
		return line, false
	}
	return line + term.PadLeft("", room) + term.Paint(f.Styles.Dim, text), true
}

// authorOf formats the author of a commit, with the user of an action first.
func authorOf(by string) string {
	if at := strings.LastIndex(by, " by "); at > 0 {
		by = by[at+len(" by "):] + " · " + by[:at]
	}
	return term.Clean(by)
}

// commitHead describes a commit in a few words: #813 create posts/…7QX "Hello".
func commitHead(f show.Formatter, c *wire.CommitEvent, fields bool) string {
	head := term.Paint(f.Styles.Strong, fmt.Sprintf("#%d", c.Seq)) + " "
	if len(c.Changes) == 1 {
		return head + changeText(f, c.Changes[0], fields)
	}
	if c.Did != "" {
		did, what, _ := strings.Cut(deed(c.Did), " ")
		return head + term.Paint(f.Styles.Warn, did) + " " + what
	}
	return head + fmt.Sprintf("%s changes", show.Grouped(changesOf(c)))
}

// deed returns what was done in a commit without changes, with short ids.
func deed(did string) string {
	words := strings.Fields(term.Clean(did))
	for i, word := range words {
		model, id, found := strings.Cut(word, "/")
		switch {
		case found && show.IsID(id):
			words[i] = model + "/" + show.ShortID(id)
		case show.IsID(word):
			words[i] = show.ShortID(word)
		}
	}
	return strings.Join(words, " ")
}

func changesOf(c *wire.CommitEvent) int { return max(c.ChangesAll, len(c.Changes)) }

// below returns the indentation of the lines below the head of a commit.
func below(f show.Formatter) string {
	if f.Width < roomyPane {
		return "  "
	}
	return "     "
}

// changes formats the first few changes of a commit, or the changed fields if there is
// only one change.
func (h *activity) changes(f show.Formatter) []string {
	c := h.commit
	if len(c.Changes) == 1 {
		return indented(f, below(f), updatedValues(f, c.Changes[0], shownValues))
	}
	var lines []string
	for i, change := range c.Changes {
		if i == shownChanges {
			break
		}
		lines = append(lines, changeText(f, change, true))
	}
	if more := changesOf(c) - len(lines); more > 0 {
		lines = append(lines, term.Paint(f.Styles.Dim, fmt.Sprintf("… %s more", show.Grouped(more))))
	}
	return indented(f, below(f), lines)
}

// indented puts space before lines and cuts them to the width.
func indented(f show.Formatter, space string, lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = space + term.Cut(line, f.Width-len(space))
	}
	return out
}

// changeText describes a change in a few words, with or without the names of its
// fields.
func changeText(f show.Formatter, c wire.ChangeInfo, fields bool) string {
	style := f.Styles.Changed
	switch c.Op {
	case "create":
		style = f.Styles.Good
	case "delete":
		style = f.Styles.Bad
	}
	text := term.Paint(style, term.Clean(c.Op)) + " " + term.Clean(c.Model) + term.Paint(f.Styles.Dim, "/"+show.ShortID(c.ID))
	if c.Label != "" {
		text += " " + term.Paint(f.Styles.Text, show.Quoted(c.Label))
	}
	if (fields || len(c.Values) == 0) && len(c.Fields) > 0 {
		text += " " + term.Paint(f.Styles.Dim, term.Clean(strings.Join(c.Fields, ", ")))
	}
	return text
}

// updatedValues formats the first values of an update, before and after. For other
// changes it returns none.
func updatedValues(f show.Formatter, c wire.ChangeInfo, most int) []string {
	if c.Op != "update" {
		return nil
	}
	var lines []string
	for i, v := range c.Values {
		if i == most {
			lines = append(lines, term.Paint(f.Styles.Dim, fmt.Sprintf("… %d more", len(c.Values)-i)))
			break
		}
		lines = append(lines, term.Paint(f.Styles.Dim, term.Clean(v.Name)+" ")+fromTo(f, v, f.Width-len(below(f))-term.Width(v.Name)-1))
	}
	return lines
}

// fromTo formats a value before and after, within room cells.
func fromTo(f show.Formatter, v wire.FieldChange, room int) string {
	before, after := term.Clean(v.Before), term.Clean(v.After)
	half := max((room-3)/2, 3)
	if term.Width(before) <= half {
		half = max(room-3-term.Width(before), 3)
	} else {
		before = term.Cut(before, max(room-3-min(term.Width(after), half), 3))
	}
	return term.Paint(f.Styles.Dim, before) + " → " + term.Paint(jsonStyle(f, v.After), term.Cut(after, half))
}

// jsonStyle returns the style of a value by the beginning of its JSON.
func jsonStyle(f show.Formatter, text string) lipgloss.Style {
	if text == "" {
		return f.Styles.Dim
	}
	switch text[0] {
	case '"':
		return f.Styles.Text
	case 't', 'f':
		return f.Styles.Keyword
	case 'n':
		return f.Styles.Dim
	case '[', '{':
		return f.Styles.Plain
	}
	return f.Styles.Number
}
