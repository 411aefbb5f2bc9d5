package repl

import (
	"fmt"
	"strconv"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/wire"
)

// A logRow is a line of the application's log, in the live pane.
type logRow struct {
	wire.LogEvent
	number uint64

	cells int // the width that lines was made for
	lines []string
}

func (r *logRow) key() string  { return strconv.FormatUint(r.number, 36) }
func (r *logRow) text() string { return r.Level + " " + r.Message + " " + r.Attrs }

func (r *logRow) value() (what, whole string) {
	return "the log line", fmt.Sprintf("%s %s %s %s", r.At.Format("2006-01-02T15:04:05.000Z07:00"), r.Level, r.Message, r.Attrs)
}

func (r *logRow) level(st *styles) lipgloss.Style {
	switch {
	case len(r.Level) >= 5 && r.Level[:5] == "ERROR":
		return st.bad
	case len(r.Level) >= 4 && r.Level[:4] == "WARN":
		return st.warn
	}
	return st.dim
}

// draw is the line, cut to the width: it can be opened.
func (r *logRow) draw(f formatter) []string {
	if r.cells != f.width || r.lines == nil {
		r.cells = f.width
		line := paint(f.styles.dim, r.At.Local().Format("15:04:05")) + " " + paint(r.level(&f.styles), pad(clean(r.Level), 5)) + " " + clean(r.Message)
		if r.Attrs != "" {
			line += " " + paint(f.styles.dim, clean(r.Attrs))
		}
		r.lines = []string{cut(line, f.width)}
	}
	return r.lines
}

func (r *logRow) detail(f formatter) []string {
	lines := []string{paint(r.level(&f.styles), clean(r.Level)) + " " + paint(f.styles.dim, r.At.Local().Format("2006-01-02 15:04:05.000"))}
	for _, line := range wrap(cleanLines(r.Message), f.width) {
		lines = append(lines, paint(f.styles.strong, line))
	}
	if r.Attrs != "" {
		lines = append(append(lines, ""), f.wrapped(f.styles.plain, cleanLines(r.Attrs))...)
	}
	return lines
}
