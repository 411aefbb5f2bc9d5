package repl

import (
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// A routeRow is something that can be called or opened, in the live pane.
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

func (r *routeRow) value() (what, whole string) { return copied(r.pattern(), r.Route) }

func (r *routeRow) pattern() string {
	if r.Method == "" {
		return r.Name
	}
	return r.Method + " " + r.Path
}

func (r *routeRow) cells(st *styles) []cell {
	kind := map[string]cell{"action": {"action", st.keyword}, "page": {"page", st.changed}, "cursor": {"cursor", st.good}}[r.Kind]
	held := cell{"", st.dim}
	if r.Holders > 0 {
		held = cell{grouped(r.Holders), st.number}
	}
	name := r.Name
	if r.Method == "" {
		name = ""
	}
	return []cell{kind, {clean(r.pattern()), st.strong}, held, {clean(name), st.plain}, {clean(r.InputList()), st.dim}}
}

func (r *routeRow) draw(f formatter) []string {
	return r.grid.draw(&r.drawn, func() []cell { return r.cells(&f.styles) })
}

func (r *routeRow) detail(f formatter) []string {
	facts := []fact{{"kind", r.Kind}, {"name", clean(r.Name)}, {"method", clean(r.Controller + "." + r.Action)}}
	for i, input := range r.Inputs {
		text := clean(input.Name + ", " + input.Type)
		if input.Required {
			text += ", required"
		}
		facts = append(facts, fact{map[bool]string{true: "inputs"}[i == 0], text})
	}
	if r.Output != "" {
		facts = append(facts, fact{"output", clean(r.Output)})
	}
	if r.Kind == "cursor" {
		facts = append(facts, fact{"held by", counted(r.Holders, "connection")})
	}
	return append([]string{paint(f.styles.strong, cut(clean(r.pattern()), f.width))}, factLines(f, facts)...)
}
