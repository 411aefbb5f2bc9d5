package live

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
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
func (r *cursorRow) name() string { return term.Clean(strings.Join(r.Names, ", ")) }

func (r *cursorRow) text() string {
	return strings.Join(append(append([]string{r.Scope, r.Model, r.Residual}, r.Names...), r.users...), " ")
}

func (r *cursorRow) Copy() (what, whole string) { return encoded("cursor "+r.key(), r.CursorInfo) }

// kept says how the query is kept current, in a few words.
func (r *cursorRow) kept(st *term.Styles) (string, lipgloss.Style) {
	switch {
	case r.Residual != "":
		return "each change: " + term.Clean(r.Residual), st.Warn
	case r.Refills > 0:
		return fmt.Sprintf("incremental, %s", show.Counted(int(r.Refills), "refill")), st.Changed
	}
	return "incremental", st.Good
}

func (r *cursorRow) cells(st *term.Styles) []cell {
	kept, style := r.kept(st)
	cost, each := cell{"—", st.Dim}, cell{"—", st.Dim}
	if r.Micros > 0 {
		cost = cell{show.Duration(r.Micros), st.Plain}
		each = cell{eachOf(r.Micros, r.Evaluations), st.Dim}
	}
	records := cell{"", st.Dim}
	if r.Records >= 0 {
		records = cell{show.Grouped(r.Records), st.Dim}
	}
	return []cell{{r.name(), st.Strong}, {show.Grouped(r.Holders), st.Number}, {show.Grouped(int(r.Evaluations)), st.Plain}, cost, each, records,
		{kept, style}, {term.Clean(r.Scope), st.Dim}}
}

// eachOf is the average of so many.
func eachOf(micros int64, n uint64) string {
	if n == 0 {
		return "—"
	}
	if each := float64(micros) / float64(n); each < 10 {
		return fmt.Sprintf("%.1f µs", each)
	}
	return show.Duration(micros / int64(n))
}

func (r *cursorRow) draw(f show.Formatter) []string {
	return r.grid.draw(&r.drawn, func() []cell { return r.cells(&f.Styles) })
}

func (r *cursorRow) detail(f show.Formatter) []string {
	how := "incremental: an index finds the changes that may touch it"
	if r.Residual != "" {
		how = "every change of " + term.Clean(r.Model) + " is tested against its conditions: " + term.Clean(r.Residual)
	}
	window := ""
	if r.Refills > 0 {
		window = fmt.Sprintf("read again %s, because records had left its window", show.Counted(int(r.Refills), "time"))
	}
	remembers := "nothing of its records"
	if r.Records >= 0 {
		remembers = show.Counted(r.Records, "record")
	}
	cost := "the time is taken while a console watches"
	if r.Micros > 0 {
		cost = fmt.Sprintf("%s since a console watches, %s each", show.Duration(r.Micros), eachOf(r.Micros, r.Evaluations))
	}
	holders := show.Counted(r.Holders, "connection")
	if len(r.users) > 0 {
		holders += ": " + strings.Join(r.users, ", ")
	}
	facts := []fact{{"scope", term.Clean(r.Scope)}, {"held by", holders}, {"kept", how}}
	if window != "" {
		facts = append(facts, fact{"", window})
	}
	facts = append(facts, fact{"remembers", remembers}, fact{"touched", "by " + show.Counted(int(r.Evaluations), "commit")}, fact{"cost", cost})
	return append([]string{term.Paint(f.Styles.Strong, term.Cut(r.name(), f.Width)) + term.Paint(f.Styles.Dim, " #"+r.key())}, factLines(f, facts)...)
}
