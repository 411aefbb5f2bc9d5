package live

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A cursorRow is an open query in the live pane, with the users of the connections that
// hold it.
type cursorRow struct {
	wire.CursorInfo
	users []string // of the connections that hold it
	grid  *grid
	drawn drawn
}

func newCursorGrid(nodes bool) *grid {
	return newNodeGrid(nodes, textColumn("cursor", 12, 40, 0), numberColumn("held", 4, 8, 1), numberColumn("evals", 6, 12, 3),
		numberColumn("cost", 7, 9, 2), numberColumn("each", 6, 9, 6), numberColumn("records", 7, 8, 7),
		textColumn("updates", 12, 44, 4), textColumn("scope", 24, 90, 5))
}

func (r *cursorRow) key() string  { return nodeKey(r.Node, r.Number) }
func (r *cursorRow) name() string { return term.Clean(strings.Join(r.Names, ", ")) }

func (r *cursorRow) text() string {
	return strings.Join(append(append([]string{r.Scope, r.Model, r.Residual}, r.Names...), r.users...), " ")
}

// Copy implements [Row].
func (r *cursorRow) Copy() (what, whole string) { return encoded("cursor "+r.key(), r.CursorInfo) }

// updates describes in a few words how the query is kept up to date.
func (r *cursorRow) updates(st *term.Styles) (string, lipgloss.Style) {
	switch {
	case r.Residual != "":
		return "each change: " + term.Clean(r.Residual), st.Warn
	case r.Refills > 0:
		return fmt.Sprintf("incremental, %s", show.Counted(int(r.Refills), "refill")), st.Changed
	}
	return "incremental", st.Good
}

func (r *cursorRow) cells(st *term.Styles) []cell {
	updates, style := r.updates(st)
	cost, each := cell{"—", st.Dim}, cell{"—", st.Dim}
	if r.Micros > 0 {
		cost = cell{show.Duration(r.Micros), st.Plain}
		each = cell{eachOf(r.Micros, r.Evaluations), st.Dim}
	}
	records := cell{"", st.Dim}
	if r.Records >= 0 {
		records = cell{show.Grouped(r.Records), st.Dim}
	}
	return withNode(r.Node, st, []cell{{r.name(), st.Strong}, {show.Grouped(r.Holders), st.Number}, {show.Grouped(int(r.Evaluations)), st.Plain}, cost, each, records,
		{updates, style}, {term.Clean(r.Scope), st.Dim}})
}

// eachOf formats the average of micros over n.
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
	how := "incremental: an index finds the changes that may affect it"
	if r.Residual != "" {
		how = "every change of " + term.Clean(r.Model) + " is tested against its conditions: " + term.Clean(r.Residual)
	}
	window := ""
	if r.Refills > 0 {
		window = fmt.Sprintf("read again %s because records left its window", show.Counted(int(r.Refills), "time"))
	}
	cached := "no records"
	if r.Records >= 0 {
		cached = show.Counted(r.Records, "record")
	}
	cost := "measured while a console is attached"
	if r.Micros > 0 {
		cost = fmt.Sprintf("%s since a console attached, %s each", show.Duration(r.Micros), eachOf(r.Micros, r.Evaluations))
	}
	holders := show.Counted(r.Holders, "connection")
	if len(r.users) > 0 {
		holders += ": " + term.Clean(strings.Join(r.users, ", "))
	}
	facts := []fact{{"scope", term.Clean(r.Scope)}, {"held by", holders}, {"updates", how}}
	if r.Node != 0 {
		facts = slices.Insert(facts, 1, fact{"node", strconv.Itoa(r.Node)})
	}
	if window != "" {
		facts = append(facts, fact{"", window})
	}
	facts = append(facts, fact{"cached", cached}, fact{"affected", "by " + show.Counted(int(r.Evaluations), "commit")}, fact{"cost", cost})
	return append([]string{term.Paint(f.Styles.Strong, term.Cut(r.name(), f.Width)) + term.Paint(f.Styles.Dim, " #"+r.key())}, factLines(f, facts)...)
}
