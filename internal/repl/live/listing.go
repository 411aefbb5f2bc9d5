package live

import (
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A Row is one entry of a view in the live pane. Only this package implements it.
type Row interface {
	key() string                      // identifies the row when the view is refreshed
	text() string                     // the text a filter searches
	draw(f show.Formatter) []string   // its lines in the view
	detail(f show.Formatter) []string // its lines when it is open
	Copy() (what, whole string)       // a name for the copied text, and the text
}

// A Listing is the state of a view: its rows, a filter, whether it is frozen, and which
// row is selected or open. It is not safe for concurrent use.
type Listing struct {
	rows   []Row
	head   string // a fixed line above the rows
	empty  string // shown if there are no rows
	Filter string // words that the shown rows must contain, see [matches]
	Typing bool   // the filter is being typed
	Tail   bool   // rows are added at the end, and the view follows it

	Frozen   []Row // the rows shown while the view is frozen, else nil
	selected string
	top      int // the first visible line
	Open     Row // shown with all its details, or nil
	Scroll   int // first visible line of the open row
}

// shown returns the rows that match the filter.
func (l *Listing) shown() []Row {
	rows := l.rows
	if l.Frozen != nil {
		rows = l.Frozen
	}
	if l.Filter == "" {
		return rows
	}
	var found []Row
	for _, r := range rows {
		if matches(r.text(), l.Filter) {
			found = append(found, r)
		}
	}
	return found
}

// matches reports whether text contains each word of a filter. A word that begins with
// ! must not be in text.
func matches(text, filter string) bool {
	text = strings.ToLower(text)
	for word := range strings.FieldsSeq(strings.ToLower(filter)) {
		without, not := strings.CutPrefix(word, "!")
		if strings.Contains(text, without) == not && without != "" {
			return false
		}
	}
	return true
}

// Freeze keeps the shown rows unchanged while new ones arrive. It does nothing unless
// the listing follows its end.
func (l *Listing) Freeze() {
	if l.Tail && l.Frozen == nil {
		l.Frozen = slices.Clone(l.rows)
		if l.Frozen == nil {
			l.Frozen = []Row{}
		}
	}
}

// Follow ends Freeze and clears the selection.
func (l *Listing) Follow() { l.Frozen, l.selected = nil, "" }

// Fresh returns the number of rows added since Freeze.
func (l *Listing) Fresh() int {
	if len(l.Frozen) == 0 {
		return len(l.rows)
	}
	last := l.Frozen[len(l.Frozen)-1].key()
	for i := len(l.rows) - 1; i >= 0; i-- {
		if l.rows[i].key() == last {
			return len(l.rows) - 1 - i
		}
	}
	return len(l.rows)
}

func (l *Listing) at(rows []Row) int {
	return slices.IndexFunc(rows, func(r Row) bool { return r.key() == l.selected })
}

// Move moves the selection by a number of rows. Moving past the end of a listing that
// follows its end calls [Listing.Follow].
func (l *Listing) Move(by int) {
	rows := l.shown()
	if len(rows) == 0 {
		return
	}
	at := l.at(rows)
	if at < 0 && l.Tail {
		at = len(rows)
	}
	at = max(at, 0)
	if at+by >= len(rows) && l.Tail {
		l.Follow()
		return
	}
	l.Freeze()
	l.selected = rows[min(max(at+by, 0), len(rows)-1)].key()
}

// Current returns the selected row. Without a selection it is the first row, or the
// last of a listing that follows its end. It is nil if there are no rows.
func (l *Listing) Current() Row {
	rows := l.shown()
	if at := l.at(rows); at >= 0 {
		return rows[at]
	}
	switch {
	case len(rows) == 0:
		return nil
	case l.Tail:
		return rows[len(rows)-1]
	}
	return rows[0]
}

// Enter opens the current row.
func (l *Listing) Enter() {
	if r := l.Current(); r != nil {
		l.Freeze()
		l.selected, l.Open, l.Scroll = r.key(), r, 0
	}
}

// Leave goes back by one step: out of the filter, an open row, or the frozen view. It
// reports whether there was a step to go back.
func (l *Listing) Leave() bool {
	switch {
	case l.Typing, l.Filter != "" && l.Open == nil:
		l.Typing, l.Filter = false, ""
	case l.Open != nil:
		l.Open = nil
	case l.Frozen != nil || l.selected != "":
		l.Follow()
	default:
		return false
	}
	return true
}

// view returns the visible lines, at most height, and the range of lines of the
// selected row.
func (l *Listing) view(f show.Formatter, height int) (lines []string, from, to int) {
	if l.Open != nil {
		return l.opened(f, height), 0, 0
	}
	below := 0
	if l.Typing {
		below = 1
	}
	room := max(height-below, 1)
	if l.head != "" && room > 1 {
		lines = append(lines, l.head)
		room--
	}
	body, from, to := l.body(f, room)
	lines, from, to = append(lines, body...), from+len(lines), to+len(lines)
	if l.Typing {
		for len(lines) < height-1 {
			lines = append(lines, "")
		}
		lines = append(lines, term.Paint(f.Styles.Accent, "/")+term.Cut(term.Clean(l.Filter), f.Width-2)+"\x1b[7m \x1b[27m")
	}
	return lines, from, to
}

func (l *Listing) body(f show.Formatter, height int) (lines []string, from, to int) {
	rows := l.shown()
	if len(rows) == 0 {
		empty := l.empty
		if l.Filter != "" {
			empty = "No rows match /" + term.Clean(l.Filter)
		}
		return f.Wrapped(f.Styles.Dim, empty), 0, 0
	}
	if l.Tail && l.selected == "" {
		return lastOf(f, rows, height), 0, 0
	}
	selected := max(l.at(rows), 0)
	for i, r := range rows {
		if i == selected {
			from = len(lines)
		}
		lines = append(lines, r.draw(f)...)
		if i == selected {
			to = len(lines)
		}
	}
	for from < to-1 && lines[from] == "" { // a blank line separates rows
		from++
	}
	l.top = min(l.top, from)
	l.top = max(l.top, min(to-height, from))
	l.top = max(min(l.top, len(lines)-height), 0)
	return lines[l.top:min(l.top+height, len(lines))], max(from-l.top, 0), min(to-l.top, height)
}

// lastOf returns the lines at the end of the rows, or the beginning of the last row if
// it does not fit.
func lastOf(f show.Formatter, rows []Row, height int) []string {
	last := rows[len(rows)-1].draw(f)
	if last[0] == "" { // a blank line separates rows
		last = last[1:]
	}
	if over := len(last) - height; over > 0 && height > 1 {
		more := term.Paint(f.Styles.Dim, term.Cut(fmt.Sprintf("… %d more lines, enter to show", over+1), f.Width))
		return append(slices.Clone(last[:height-1]), more)
	}
	var lines []string
	for i := len(rows) - 1; i >= 0 && len(lines) < height; i-- {
		lines = append(slices.Clone(rows[i].draw(f)), lines...)
	}
	if len(lines) > height {
		lines = lines[len(lines)-height:]
	}
	if len(lines) < height && lines[0] == "" {
		lines = lines[1:]
	}
	return lines
}

func (l *Listing) opened(f show.Formatter, height int) []string {
	lines := l.Open.detail(f)
	l.Scroll = max(min(l.Scroll, len(lines)-height), 0)
	return lines[l.Scroll:min(l.Scroll+height, len(lines))]
}

// renew finds the open row again among refreshed rows.
func (l *Listing) renew() {
	if l.Open == nil {
		return
	}
	for _, r := range l.rows {
		if r.key() == l.Open.key() {
			l.Open = r
		}
	}
}
