package live

import (
	"cmp"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A gridColumn is a column of a view in the live pane.
type gridColumn struct {
	name  string
	least int // cells the text is cut to before a column is dropped; 0 means it is never cut
	usual int // initial width in cells
	most  int
	drop  int // the column with the greatest is dropped first; 0 is never dropped
	right bool
	names bool // the text is a list of names
}

func textColumn(name string, least, most, drop int) gridColumn {
	return gridColumn{name: name, least: least, most: most, drop: drop}
}

func numberColumn(name string, usual, most, drop int) gridColumn {
	return gridColumn{name: name, usual: usual, most: most, drop: drop, right: true}
}

// A cell is a text and its style.
type cell struct {
	text  string
	style lipgloss.Style
}

// A grid lays out rows in columns whose widths are stable: they grow when necessary and
// never shrink.
type grid struct {
	columns []gridColumn
	needs   []int // cells needed by the texts of each column
	widths  []int // width of each column in cells, 0 if it is dropped
	room    int
	version int // of the layout
}

// drawn is the cached layout of a row.
type drawn struct {
	version int
	lines   []string
}

func newGrid(columns ...gridColumn) *grid {
	g := &grid{columns: columns, needs: make([]int, len(columns)), widths: make([]int, len(columns))}
	for i, c := range columns {
		g.needs[i] = max(term.Width(c.name), c.usual)
	}
	return g
}

// draw lays a row out, unless its layout is cached.
func (g *grid) draw(d *drawn, cells func() []cell) []string {
	if d.lines == nil || d.version != g.version {
		*d = drawn{g.version, []string{g.line(cells())}}
	}
	return d.lines
}

// measure makes room for the cells of a row.
func (g *grid) measure(cells []cell) {
	for i, c := range cells {
		if needs := min(term.Width(c.text), g.columns[i].most); needs > g.needs[i] {
			g.needs[i] = needs
			g.room = 0 // forces a new layout
		}
	}
}

// fit sets the width of each column. It drops columns that do not fit, and gives the
// remaining room to the more important columns first.
func (g *grid) fit(room int) {
	if g.room == room {
		return
	}
	g.room = room
	g.version++
	order := make([]int, len(g.columns)) // by importance
	for i, c := range g.columns {
		order[i] = i
		g.widths[i] = g.needs[i]
		if c.least > 0 {
			g.widths[i] = min(g.needs[i], max(c.least, term.Width(c.name)))
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(g.columns[a].drop, g.columns[b].drop) })
	left := room + show.ColumnGap
	for _, w := range g.widths {
		left -= w + show.ColumnGap
	}
	for n := len(order) - 1; n > 0 && left < 0; n-- {
		left += g.widths[order[n]] + show.ColumnGap
		g.widths[order[n]] = 0
		order = order[:n]
	}
	for _, i := range order {
		more := max(min(g.needs[i]-g.widths[i], left), 0)
		g.widths[i] += more
		left -= more
	}
}

// head formats the names of the columns.
func (g *grid) head(st *term.Styles) string {
	cells := make([]cell, len(g.columns))
	for i, c := range g.columns {
		cells[i] = cell{c.name, st.Dim}
	}
	return g.line(cells)
}

// line formats one row.
func (g *grid) line(cells []cell) string {
	var b strings.Builder
	used := 0
	for i, c := range cells {
		if g.widths[i] == 0 {
			continue
		}
		if used > 0 {
			b.WriteString(strings.Repeat(" ", show.ColumnGap))
			used += show.ColumnGap
		}
		room := min(g.widths[i], max(g.room-used, 1))
		b.WriteString(c.padded(room, &g.columns[i]))
		used += room
	}
	return strings.TrimRight(b.String(), " ")
}

func (c cell) padded(room int, in *gridColumn) string {
	text := term.CutWords(c.text, room)
	if in.names {
		text = term.CutList(c.text, in.name, room)
	}
	space := strings.Repeat(" ", max(room-term.Width(text), 0))
	if in.right {
		return space + term.Paint(c.style, text)
	}
	return term.Paint(c.style, text) + space
}
