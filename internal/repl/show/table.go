package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/term"
)

// ColumnGap is the number of cells between the columns of a table.
const ColumnGap = 2

const (
	widestText    = 48 // of a column on the screen
	readableText  = 16
	narrowestText = 8
	shortTime     = 16 // 2026-11-22 10:00
	shortIDWidth  = 7
)

// A column is one field of the rows of a table.
type column struct {
	name  string
	cells []Value
	texts []string // text of each cell
	kind  Kind
	id    bool
	width int
	whole int // the width needed to show every cell uncut
}

// isTable reports whether v is best shown as rows and columns.
func isTable(v Value) bool {
	if v.Kind != List || len(v.Items) == 0 || v.Label != "" {
		return false
	}
	for _, item := range v.Items {
		if item.Kind != Record && (item.Kind != Object || len(item.Fields) == 0) {
			return false
		}
	}
	return true
}

// Table formats a list of records as a table, with as many fields as fit the width.
func (f Formatter) Table(v Value) []string {
	columns := columnsOf(v.Items)
	all := len(columns)
	hidden := f.fit(&columns)
	if f.upright(all, hidden) {
		return f.blocks(v)
	}
	lines := []string{joinCells(columns, func(c column) (string, lipgloss.Style) { return term.Cut(term.Clean(c.name), c.width), f.Styles.Dim })}
	for i := range v.Items {
		lines = append(lines, joinCells(columns, func(c column) (string, lipgloss.Style) {
			style := f.styleOf(c.cells[i])
			if c.cells[i].Kind == String && c.cells[i].Text != "" && !c.id {
				style = f.Styles.Plain
			}
			return c.cell(i), style
		}))
	}
	note := f.shownOf(len(v.Items), v.Total, nameOfRows(v.Items))
	if len(hidden) > 0 {
		note += " · not shown: " + strings.Join(hidden, ", ")
	}
	return append(lines, f.Limit(f.Styles.Dim.Render(note)))
}

// narrowTable is the width below which a table may hide only times.
const narrowTable = 60

// upright reports whether to show records below one another instead of as a table with
// the hidden columns missing.
func (f Formatter) upright(all int, hidden []string) bool {
	missed := len(hidden)
	for _, name := range hidden {
		if name == "updatedAt" || name == "createdAt" {
			missed--
		}
	}
	return missed > 0 && (f.Width < narrowTable || 2*missed > all)
}

// blocks formats records below one another, one field to a line.
func (f Formatter) blocks(v Value) []string {
	var lines []string
	for i, item := range v.Items {
		number := fmt.Sprintf("─ %s ", Grouped(i+1))
		lines = append(lines, term.Paint(f.Styles.Rule, number+strings.Repeat("─", max(min(f.Width, narrowTable)-term.Width(number), 0))))
		lines = append(lines, f.block(item)...)
	}
	return append(lines, f.Limit(f.Styles.Dim.Render(f.shownOf(len(v.Items), v.Total, nameOfRows(v.Items)))))
}

func nameOfRows(rows []Value) string {
	if rows[0].Kind == Record {
		return "records"
	}
	return "items"
}

// joinCells joins the cells of a line. Numbers are right-aligned.
func joinCells(columns []column, cell func(column) (string, lipgloss.Style)) string {
	line := ""
	for i, c := range columns {
		text, style := cell(c)
		space := strings.Repeat(" ", max(c.width-term.Width(text), 0))
		if i > 0 {
			line += strings.Repeat(" ", ColumnGap)
		}
		switch {
		case c.kind == Number:
			line += space + term.Paint(style, text)
		case i < len(columns)-1:
			line += term.Paint(style, text) + space
		default:
			line += term.Paint(style, text)
		}
	}
	return strings.TrimRight(line, " ")
}

// columnsOf returns the fields of rows, in order of first appearance, without fields
// that are empty in every row.
func columnsOf(rows []Value) []column {
	var columns []column
	at := map[string]int{}
	for i, one := range rows {
		for _, field := range timesLast(one) {
			j, ok := at[field.Name]
			if !ok {
				j = len(columns)
				at[field.Name] = j
				columns = append(columns, column{name: field.Name, cells: make([]Value, len(rows))})
			}
			columns[j].cells[i] = field.Value
		}
	}
	for i := range columns {
		columns[i].measure()
	}
	filled := slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		return !slices.ContainsFunc(c.texts, func(text string) bool { return text != "" })
	})
	if len(filled) > 0 {
		return filled
	}
	return columns
}

func (c *column) measure() {
	c.id, c.width = true, term.Width(term.Clean(c.name))
	c.texts = make([]string, len(c.cells))
	for i, v := range c.cells {
		if c.texts[i] = cellText(v); c.texts[i] == "" {
			continue
		}
		c.id = c.id && v.Kind == String && IsID(v.Text)
		c.kind = v.Kind
		c.width = max(c.width, term.Width(c.texts[i]))
	}
}

// fit narrows the columns to the width and drops the columns that do not fit. It
// returns the names of the dropped ones.
func (f Formatter) fit(columns *[]column) (hidden []string) {
	if f.Width == 0 {
		return nil
	}
	all := *columns
	for i := range all {
		all[i].width = min(all[i].width, max(widestText, term.Width(all[i].name)))
		all[i].whole = all[i].width
	}
	over := func() int {
		sum := -f.Width - ColumnGap
		for _, c := range all {
			sum += c.width + ColumnGap
		}
		return sum
	}
	drop := func(i int) {
		hidden = append(hidden, term.Clean(all[i].name))
		all = slices.Delete(all, i, i+1)
	}
	for over() > 0 && narrow(all, over(), readableText) {
	}
	for _, name := range []string{"updatedAt", "createdAt"} { // rarely needed
		if i := slices.IndexFunc(all, func(c column) bool { return c.name == name }); i > 0 && over() > 0 {
			drop(i)
		}
	}
	for over() > 0 {
		if narrow(all, over(), narrowestText) {
			continue
		}
		if len(all) == 1 {
			break
		}
		drop(len(all) - 1)
	}
	widen(all, -over())
	all[0].width = min(all[0].width, f.Width)
	*columns = all
	slices.Reverse(hidden)
	return hidden
}

// narrow takes up to over cells from the least important columns: times first, then
// ids, then the widest text, which keeps at least text cells. It reports whether it
// narrowed a column.
func narrow(columns []column, over, text int) bool {
	for i := range columns {
		if c := &columns[i]; c.kind == Time && c.width > shortTime {
			c.width = shortTime
			return true
		}
	}
	for i := range columns {
		if c := &columns[i]; c.id && c.width > max(shortIDWidth, term.Width(c.name)) {
			c.width = max(shortIDWidth, term.Width(c.name))
			return true
		}
	}
	widest := -1
	for i, c := range columns {
		if !c.id && c.kind != Time && c.kind != Number && c.kind != Bool && c.width > text &&
			(widest < 0 || c.width > columns[widest].width) {
			widest = i
		}
	}
	if widest < 0 {
		return false
	}
	c := &columns[widest]
	c.width = max(c.width-min(over, max(c.width/4, 1)), text)
	return true
}

// widen distributes the room a dropped column left: to text as much as possible, to ids
// and times if they then fit completely.
func widen(columns []column, room int) {
	for _, whole := range []bool{false, true} {
		for i := range columns {
			c := &columns[i]
			more := c.whole - c.width
			if !whole {
				more = min(more, room)
			}
			if more > 0 && more <= room && whole == (c.id || c.kind == Time) {
				c.width += more
				room -= more
			}
		}
	}
}

func (c column) cell(row int) string {
	v, text := c.cells[row], c.texts[row]
	switch {
	case term.Width(text) <= c.width:
		return text
	case c.id:
		return "…" + text[len(text)-min(c.width-1, len(text)):]
	case v.Kind == Time:
		return term.Cut(strings.Replace(text, "T", " ", 1)[:min(len(text), shortTime)], c.width)
	}
	return term.Cut(text, c.width)
}

// cellText returns a value in its shortest form.
func cellText(v Value) string {
	switch v.Kind {
	case Undefined, Null:
		return ""
	case String, Time, Number, Bool:
		return term.Clean(v.Text)
	case List:
		var items []string
		for _, item := range v.Items {
			if name := nameIn(item); name != "" {
				item = Scalar(String, name)
			}
			items = append(items, cellText(item))
		}
		if hidden := v.Total - len(v.Items); hidden > 0 {
			items = append(items, fmt.Sprintf("… %d more", hidden))
		}
		return strings.Join(items, ", ")
	}
	return Inline(v)
}

// nameIn returns the name of an object in a cell.
func nameIn(v Value) string {
	for _, field := range v.Fields {
		if field.Name == "name" {
			return field.Value.Text
		}
	}
	return ""
}
