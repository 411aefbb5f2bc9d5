package repl

import (
	"fmt"
	"slices"
	"strings"
)

// A row is one thing in a view of the live pane.
type row interface {
	key() string                 // by which it is known again when the view is new
	text() string                // what a filter looks through
	draw(f formatter) []string   // as it stands in the view
	detail(f formatter) []string // when it is opened
	value() (what, whole string) // what is copied of it, and what that is called
}

// A listing is a view's rows as they are looked at: filtered, followed or frozen,
// one of them selected or open.
type listing struct {
	rows   []row
	head   string // a line above them that stays
	empty  string // what is said where there are none
	filter string
	typing bool // the filter is being typed
	tail   bool // rows are added at the end, which is followed

	frozen   []row // what is shown instead of rows, while they are frozen
	selected string
	top      int // the first line that is visible
	open     row
	scroll   int // of what is open
}

// shown are the rows that the filter leaves.
func (l *listing) shown() []row {
	rows := l.rows
	if l.frozen != nil {
		rows = l.frozen
	}
	if l.filter == "" {
		return rows
	}
	var found []row
	for _, r := range rows {
		if matches(r.text(), l.filter) {
			found = append(found, r)
		}
	}
	return found
}

// matches reports whether text holds each of the words of a filter; a word that
// begins with ! must not be in it.
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

// freeze keeps what is shown as it is; follow lets it go on.
func (l *listing) freeze() {
	if l.tail && l.frozen == nil {
		l.frozen = slices.Clone(l.rows)
		if l.frozen == nil {
			l.frozen = []row{}
		}
	}
}

func (l *listing) follow() { l.frozen, l.selected = nil, "" }

// fresh is how many rows have come since it was frozen.
func (l *listing) fresh() int {
	if len(l.frozen) == 0 {
		return len(l.rows)
	}
	last := l.frozen[len(l.frozen)-1].key()
	for i := len(l.rows) - 1; i >= 0; i-- {
		if l.rows[i].key() == last {
			return len(l.rows) - 1 - i
		}
	}
	return len(l.rows)
}

func (l *listing) at(rows []row) int {
	return slices.IndexFunc(rows, func(r row) bool { return r.key() == l.selected })
}

// move selects the row so many rows on. Past the end, a listing that follows does
// so again.
func (l *listing) move(by int) {
	rows := l.shown()
	if len(rows) == 0 {
		return
	}
	at := l.at(rows)
	if at < 0 && l.tail {
		at = len(rows)
	}
	at = max(at, 0)
	if at+by >= len(rows) && l.tail {
		l.follow()
		return
	}
	l.freeze()
	l.selected = rows[min(max(at+by, 0), len(rows)-1)].key()
}

// current is the selected row: the first, or of a listing that follows the last,
// before one is selected.
func (l *listing) current() row {
	rows := l.shown()
	if at := l.at(rows); at >= 0 {
		return rows[at]
	}
	switch {
	case len(rows) == 0:
		return nil
	case l.tail:
		return rows[len(rows)-1]
	}
	return rows[0]
}

// enter opens the current row, leave closes it.
func (l *listing) enter() {
	if r := l.current(); r != nil {
		l.freeze()
		l.selected, l.open, l.scroll = r.key(), r, 0
	}
}

// leave goes back by one step, and reports whether there was one.
func (l *listing) leave() bool {
	switch {
	case l.typing, l.filter != "" && l.open == nil:
		l.typing, l.filter = false, ""
	case l.open != nil:
		l.open = nil
	case l.frozen != nil || l.selected != "":
		l.follow()
	default:
		return false
	}
	return true
}

// view is what is visible, in at most height lines, and which of them are of the
// selected row.
func (l *listing) view(f formatter, height int) (lines []string, from, to int) {
	if l.open != nil {
		return l.opened(f, height), 0, 0
	}
	below := 0
	if l.typing {
		below = 1
	}
	room := max(height-below, 1)
	if l.head != "" && room > 1 {
		lines = append(lines, l.head)
		room--
	}
	body, from, to := l.body(f, room)
	lines, from, to = append(lines, body...), from+len(lines), to+len(lines)
	if l.typing {
		for len(lines) < height-1 {
			lines = append(lines, "")
		}
		lines = append(lines, paint(f.styles.accent, "/")+cut(clean(l.filter), f.width-2)+"\x1b[7m \x1b[27m")
	}
	return lines, from, to
}

func (l *listing) body(f formatter, height int) (lines []string, from, to int) {
	rows := l.shown()
	if len(rows) == 0 {
		empty := l.empty
		if l.filter != "" {
			empty = "Nothing here matches /" + clean(l.filter)
		}
		return f.wrapped(f.styles.dim, empty), 0, 0
	}
	if l.tail && l.selected == "" {
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
	for from < to-1 && lines[from] == "" { // which sets a row apart from the one before it
		from++
	}
	l.top = min(l.top, from)
	l.top = max(l.top, min(to-height, from))
	l.top = max(min(l.top, len(lines)-height), 0)
	return lines[l.top:min(l.top+height, len(lines))], max(from-l.top, 0), min(to-l.top, height)
}

// lastOf is the end of the rows, or as much of the last one as there is room for.
func lastOf(f formatter, rows []row, height int) []string {
	last := rows[len(rows)-1].draw(f)
	if last[0] == "" { // which sets it apart from the one before it
		last = last[1:]
	}
	if over := len(last) - height; over > 0 && height > 1 {
		more := paint(f.styles.dim, cut(fmt.Sprintf("… %d more lines, enter shows them", over+1), f.width))
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

func (l *listing) opened(f formatter, height int) []string {
	lines := l.open.detail(f)
	l.scroll = max(min(l.scroll, len(lines)-height), 0)
	return lines[l.scroll:min(l.scroll+height, len(lines))]
}

// renew finds what is open again among rows that are new.
func (l *listing) renew() {
	if l.open == nil {
		return
	}
	for _, r := range l.rows {
		if r.key() == l.open.key() {
			l.open = r
		}
	}
}
