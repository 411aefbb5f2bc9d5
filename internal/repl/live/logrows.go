package live

import (
	"fmt"
	"strconv"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A logRow is a line of the application's log in the live pane.
type logRow struct {
	wire.LogEvent
	node   int // where it was written, 0 for the only one
	number uint64

	cells int // the width of the cached lines
	lines []string
}

func (r *logRow) key() string { return strconv.FormatUint(r.number, 36) }
func (r *logRow) text() string {
	return r.Level + " " + r.Message + " " + r.Attrs + onNode(r.node)
}

// Copy implements [Row].
func (r *logRow) Copy() (what, whole string) {
	return "the log line", fmt.Sprintf("%s %s %s %s", r.At.Format("2006-01-02T15:04:05.000Z07:00"), r.Level, r.Message, r.Attrs)
}

func (r *logRow) level(st *term.Styles) lipgloss.Style {
	switch {
	case len(r.Level) >= 5 && r.Level[:5] == "ERROR":
		return st.Bad
	case len(r.Level) >= 4 && r.Level[:4] == "WARN":
		return st.Warn
	}
	return st.Dim
}

// draw formats the line cut to the width; detail shows all of it.
func (r *logRow) draw(f show.Formatter) []string {
	if r.cells != f.Width || r.lines == nil {
		r.cells = f.Width
		head := r.At.Local().Format("15:04:05")
		if r.node != 0 {
			head += " " + strconv.Itoa(r.node)
		}
		line := term.Paint(f.Styles.Dim, head) + " " + term.Paint(r.level(&f.Styles), term.Pad(term.Clean(r.Level), 5)) + " " + term.Clean(r.Message)
		if r.Attrs != "" {
			line += " " + term.Paint(f.Styles.Dim, term.Clean(r.Attrs))
		}
		r.lines = []string{term.Cut(line, f.Width)}
	}
	return r.lines
}

func (r *logRow) detail(f show.Formatter) []string {
	lines := []string{term.Paint(r.level(&f.Styles), term.Clean(r.Level)) + " " + term.Paint(f.Styles.Dim, r.At.Local().Format("2006-01-02 15:04:05.000")+onNode(r.node))}
	for _, line := range term.Wrap(term.CleanLines(r.Message), f.Width) {
		lines = append(lines, term.Paint(f.Styles.Strong, line))
	}
	if r.Attrs != "" {
		lines = append(append(lines, ""), f.Wrapped(f.Styles.Plain, term.CleanLines(r.Attrs))...)
	}
	return lines
}
