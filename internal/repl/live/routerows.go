package live

import (
	"strings"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A routeRow is an action, page or cursor in the live pane.
type routeRow struct {
	wire.Route
	grid  *grid
	drawn drawn
}

func newRouteGrid() *grid {
	return newGrid(textColumn("kind", 6, 6, 2), textColumn("route", 16, 44, 0), numberColumn("held", 4, 6, 1),
		textColumn("name", 8, 30, 3), textColumn("inputs", 12, 70, 4))
}

func (r *routeRow) key() string { return r.Kind + " " + r.pattern() }
func (r *routeRow) text() string {
	return strings.Join([]string{r.Kind, r.pattern(), r.Name, r.Controller, r.Action}, " ")
}

// Copy implements [Row].
func (r *routeRow) Copy() (what, whole string) { return encoded(r.pattern(), r.Route) }

func (r *routeRow) pattern() string { return r.Pattern() }

func (r *routeRow) cells(st *term.Styles) []cell {
	kind := map[string]cell{"action": {"action", st.Keyword}, "page": {"page", st.Changed}, "cursor": {"cursor", st.Good},
		"handler": {"handler", st.Changed}, "mount": {"mount", st.Dim}}[r.Kind]
	holders := cell{"", st.Dim}
	if r.Holders > 0 {
		holders = cell{show.Grouped(r.Holders), st.Number}
	}
	name := r.Name
	if r.Path == "" || r.Kind == "mount" {
		name = "" // it is the pattern
	}
	return []cell{kind, {term.Clean(r.pattern()), st.Strong}, holders, {term.Clean(name), st.Plain}, {term.Clean(r.InputList()), st.Dim}}
}

func (r *routeRow) draw(f show.Formatter) []string {
	return r.grid.draw(&r.drawn, func() []cell { return r.cells(&f.Styles) })
}

func (r *routeRow) detail(f show.Formatter) []string {
	facts := []fact{{"kind", term.Clean(r.Kind)}, {"name", term.Clean(r.Name)}, {"method", term.Clean(r.Controller + "." + r.Action)}}
	for i, input := range r.Inputs {
		text := term.Clean(input.Name + ", " + input.Type)
		if input.Required {
			text += ", required"
		}
		facts = append(facts, fact{map[bool]string{true: "inputs"}[i == 0], text})
	}
	if r.Output != "" {
		facts = append(facts, fact{"output", term.Clean(r.Output)})
	}
	if r.Kind == "cursor" {
		facts = append(facts, fact{"held by", show.Counted(r.Holders, "connection")})
	}
	return append([]string{term.Paint(f.Styles.Strong, term.Cut(term.Clean(r.pattern()), f.Width))}, factLines(f, facts)...)
}
