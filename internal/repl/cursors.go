package repl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/wire"
)

// A cursorRow is an open query in the live pane, with all who hold it.
type cursorRow struct {
	wire.CursorInfo
	users []string // of those who hold it
	grid  *grid
	drawn drawn
}

func newCursorGrid() *grid {
	return newGrid(textColumn("cursor", 12, 40, 0), numberColumn("held", 4, 8, 1), numberColumn("evals", 6, 12, 3),
		numberColumn("cost", 7, 9, 2), numberColumn("each", 6, 9, 6), numberColumn("records", 7, 8, 7),
		textColumn("kept", 12, 44, 4), textColumn("scope", 24, 90, 5))
}

func (r *cursorRow) key() string  { return strconv.FormatUint(r.Number, 10) }
func (r *cursorRow) name() string { return clean(strings.Join(r.Names, ", ")) }

func (r *cursorRow) text() string {
	return strings.Join(append(append([]string{r.Scope, r.Model, r.Residual}, r.Names...), r.users...), " ")
}

func (r *cursorRow) value() (what, whole string) { return copied("cursor "+r.key(), r.CursorInfo) }

// kept says how the query is kept current, in a few words.
func (r *cursorRow) kept(st *styles) (string, lipgloss.Style) {
	switch {
	case r.Residual != "":
		return "each change: " + clean(r.Residual), st.warn
	case r.Refills > 0:
		return fmt.Sprintf("incremental, %s", counted(int(r.Refills), "refill")), st.changed
	}
	return "incremental", st.good
}

func (r *cursorRow) cells(st *styles) []cell {
	kept, style := r.kept(st)
	cost, each := cell{"—", st.dim}, cell{"—", st.dim}
	if r.Micros > 0 {
		cost = cell{duration(r.Micros), st.plain}
		each = cell{eachOf(r.Micros, r.Evaluations), st.dim}
	}
	records := cell{"", st.dim}
	if r.Records >= 0 {
		records = cell{grouped(r.Records), st.dim}
	}
	return []cell{{r.name(), st.strong}, {grouped(r.Holders), st.number}, {grouped(int(r.Evaluations)), st.plain}, cost, each, records,
		{kept, style}, {clean(r.Scope), st.dim}}
}

// eachOf is the average of so many.
func eachOf(micros int64, n uint64) string {
	if n == 0 {
		return "—"
	}
	if each := float64(micros) / float64(n); each < 10 {
		return fmt.Sprintf("%.1f µs", each)
	}
	return duration(micros / int64(n))
}

func (r *cursorRow) draw(f formatter) []string {
	return r.grid.draw(&r.drawn, func() []cell { return r.cells(&f.styles) })
}

func (r *cursorRow) detail(f formatter) []string {
	how := "incremental: an index finds the changes that may touch it"
	if r.Residual != "" {
		how = "every change of " + clean(r.Model) + " is tested against its conditions: " + clean(r.Residual)
	}
	window := ""
	if r.Refills > 0 {
		window = fmt.Sprintf("read again %s, because records had left its window", counted(int(r.Refills), "time"))
	}
	remembers := "nothing of its records"
	if r.Records >= 0 {
		remembers = counted(r.Records, "record")
	}
	cost := "the time is taken while a console watches"
	if r.Micros > 0 {
		cost = fmt.Sprintf("%s since a console watches, %s each", duration(r.Micros), eachOf(r.Micros, r.Evaluations))
	}
	held := counted(r.Holders, "connection")
	if len(r.users) > 0 {
		held += ": " + strings.Join(r.users, ", ")
	}
	facts := []fact{{"scope", clean(r.Scope)}, {"held by", held}, {"kept", how}}
	if window != "" {
		facts = append(facts, fact{"", window})
	}
	facts = append(facts, fact{"remembers", remembers}, fact{"touched", "by " + counted(int(r.Evaluations), "commit")}, fact{"cost", cost})
	return append([]string{paint(f.styles.strong, cut(r.name(), f.width)) + paint(f.styles.dim, " #"+r.key())}, factLines(f, facts)...)
}
