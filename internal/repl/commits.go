package repl

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/wire"
)

const (
	longestPane  = 500 // happenings
	shownChanges = 4   // of one commit
	shownValues  = 3   // of one change
	shownReaches = 6   // of one commit
	outcomeRoom  = 20  // for two gaps and "change ✓ 12.3 ms"
	roomyPane    = 50  // cells from which nothing has to be tight
)

// A activity is a commit, or a note about a connection.
type activity struct {
	number  uint64
	commit  *wire.CommitEvent
	applied map[uint64]int64 // microseconds, by connection
	note    string
	dense   bool // it came among many, and takes one line

	cells int // the width that lines was made for
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
	for _, reach := range c.Reached {
		if reach.Outcome == "" {
			words = append(words, reach.User, reach.Cursor)
		}
	}
	return strings.Join(words, " ")
}

func (h *activity) value() (what, whole string) {
	if h.commit == nil {
		return "the note", h.note
	}
	encoded, err := json.MarshalIndent(h.commit, "", "  ")
	if err != nil {
		return "", ""
	}
	return fmt.Sprintf("commit #%d", h.commit.Seq), string(encoded)
}

func (h *activity) draw(f formatter) []string {
	if h.cells == f.width && h.lines != nil {
		return h.lines
	}
	h.cells = f.width
	switch {
	case h.commit == nil:
		h.lines = []string{paint(f.styles.dim, cut(clean(h.note), f.width))}
	case h.dense:
		h.lines = []string{h.line(f)}
	default:
		h.lines = h.whole(f)
	}
	return h.lines
}

// line is a commit on one line.
func (h *activity) line(f formatter) string {
	tail := paint(f.styles.dim, fmt.Sprintf("→ %d", h.commit.ReachedAll))
	if n := len(h.applied); n > 0 {
		tail += paint(f.styles.good, " ✓ ") + paint(f.styles.dim, strconv.Itoa(n))
	}
	head := commitHead(f, h.commit, true)
	if by := " " + paint(f.styles.dim, maker(h.commit.By)); width(head)+width(by)+width(tail)+2 <= f.width {
		head += " " + by
	}
	room := f.width - width(tail) - 2
	return pad(cut(head, room), room) + "  " + tail
}

// whole is a commit with what it changed and whom it reached.
func (h *activity) whole(f formatter) []string {
	head, by := commitHead(f, h.commit, false), maker(h.commit.By)
	reached := "→ " + reachedOf(h.commit)
	if h.commit.ReachedAll > 0 {
		reached += " in " + duration(h.commit.Micros)
	}
	reached = below(f) + paint(f.styles.dim, cut(reached, f.width-len(below(f))))
	lines := []string{"", cut(head, f.width)}
	// Who did it stands where there is room.
	if line, ok := beside(f, head, by); ok {
		lines[1] = line
	} else if line, ok := beside(f, reached, by); ok {
		reached = line
	} else {
		lines = append(lines, below(f)+paint(f.styles.dim, cut("by "+by, f.width-len(below(f)))))
	}
	lines = append(lines, h.changes(f)...)
	lines = append(lines, reached)
	return append(lines, h.reaches(f, shownReaches)...)
}

// beside puts text, dimmed, at the right end of a line, if there is room for it.
func beside(f formatter, line, text string) (string, bool) {
	room := f.width - width(line) - width(text)
	if room < 2 {
		return line, false
	}
	return line + padLeft("", room) + paint(f.styles.dim, text), true
}

// maker is who made a commit: an action's user first.
func maker(by string) string {
	if at := strings.LastIndex(by, " by "); at > 0 {
		by = by[at+len(" by "):] + " · " + by[:at]
	}
	return clean(by)
}

// commitHead is a commit in a few words: #813 create posts/…7QX "Hello".
func commitHead(f formatter, c *wire.CommitEvent, fields bool) string {
	head := paint(f.styles.strong, fmt.Sprintf("#%d", c.Seq)) + " "
	if len(c.Changes) == 1 {
		return head + changeText(f, c.Changes[0], fields)
	}
	return head + fmt.Sprintf("%s changes", grouped(changesOf(c)))
}

func changesOf(c *wire.CommitEvent) int { return max(c.ChangesAll, len(c.Changes)) }

// below is the indentation of what is below a commit's head.
func below(f formatter) string {
	if f.width < roomyPane {
		return "  "
	}
	return "     "
}

// changes are the first changes of several; of one, what became of its fields.
func (h *activity) changes(f formatter) []string {
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
		lines = append(lines, paint(f.styles.dim, fmt.Sprintf("… %s more", grouped(more))))
	}
	return indented(f, below(f), lines)
}

// indented puts space before lines, and cuts them to the width.
func indented(f formatter, space string, lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = space + cut(line, f.width-len(space))
	}
	return out
}

// changeText is a change in a few words, with or without the names of the fields.
func changeText(f formatter, c wire.ChangeInfo, fields bool) string {
	style := f.styles.changed
	switch c.Op {
	case "create":
		style = f.styles.good
	case "delete":
		style = f.styles.bad
	}
	text := paint(style, clean(c.Op)) + " " + clean(c.Model) + paint(f.styles.dim, "/"+shortID(c.ID))
	if c.Label != "" {
		text += " " + paint(f.styles.text, quoted(c.Label))
	}
	if (fields || len(c.Values) == 0) && len(c.Fields) > 0 {
		text += " " + paint(f.styles.dim, clean(strings.Join(c.Fields, ", ")))
	}
	return text
}

// updatedValues are the first values of an update, before and after; other
// changes have none.
func updatedValues(f formatter, c wire.ChangeInfo, most int) []string {
	if c.Op != "update" {
		return nil
	}
	var lines []string
	for i, v := range c.Values {
		if i == most {
			lines = append(lines, paint(f.styles.dim, fmt.Sprintf("… %d more", len(c.Values)-i)))
			break
		}
		lines = append(lines, paint(f.styles.dim, clean(v.Name)+" ")+fromTo(f, v, f.width-len(below(f))-width(v.Name)-1))
	}
	return lines
}

// fromTo is a value before and after, in so many cells.
func fromTo(f formatter, v wire.FieldChange, room int) string {
	before, after := clean(v.Before), clean(v.After)
	half := max((room-3)/2, 3)
	if width(before) <= half {
		half = max(room-3-width(before), 3)
	} else {
		before = cut(before, max(room-3-min(width(after), half), 3))
	}
	return paint(f.styles.dim, before) + " → " + paint(jsonStyle(f, v.After), cut(after, half))
}

// jsonStyle is how a value looks whose JSON begins like this.
func jsonStyle(f formatter, text string) lipgloss.Style {
	if text == "" {
		return f.styles.dim
	}
	switch text[0] {
	case '"':
		return f.styles.text
	case 't', 'f':
		return f.styles.keyword
	case 'n':
		return f.styles.dim
	case '[', '{':
		return f.styles.plain
	}
	return f.styles.number
}
