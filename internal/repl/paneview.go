package repl

import (
	"fmt"
	"slices"
	"strings"
)

// paneVisible tells whether the live pane is on the screen.
func (s *screen) paneVisible() bool { return s.inPane || s.pane > 0 }

// paneLines is the live pane in so many cells and exactly so many lines, with a
// mark at those that are selected.
func (s *screen) paneLines(cells, height int) []string {
	f := s.formatter(cells)
	if s.margin() == "" {
		f.width = max(f.width-1, 4)
	}
	seen, from, to := s.live.see(f, height)
	lines := make([]string, height)
	for i := range lines {
		if i < len(seen) {
			mark := " "
			if s.inPane && from <= i && i < to {
				mark = s.st.accent.Render("▌")
			}
			lines[i] = mark + seen[i]
		}
	}
	return lines
}

// margin is what stays free at the sides of a column, if it can be spared.
func (s *screen) margin() string {
	if s.width < belowFrom {
		return ""
	}
	return " "
}

// formatter lays out for a column of so many cells, less its margins.
func (s *screen) formatter(cells int) formatter {
	return formatter{styles: s.st, width: max(cells-2*len(s.margin()), 4)}
}

// paneTitle names the views of the live pane, or, where there is no room, the one
// that is shown.
func (s *screen) paneTitle(cells int) string {
	active := s.st.strong
	if s.inPane {
		active = s.st.accent
	}
	var names []string
	for v := range paneViews {
		if v == s.live.view {
			names = append(names, active.Render(v.String()))
		} else {
			names = append(names, s.st.dim.Render(v.String()))
		}
	}
	all := strings.Join(names, "  ")
	if room := cells - 4 - width(all); room >= 0 && width(s.paneStatus())+3 <= room || s.paneStatus() == "" && room >= 0 {
		return all
	}
	return active.Render(s.live.view.String()) + s.st.dim.Render(fmt.Sprintf(" %d/%d", s.live.view+1, paneViews))
}

// paneStatus says what is special about what the live pane shows.
func (s *screen) paneStatus() string {
	l := s.live.list()
	var parts []string
	if l.filter != "" && !l.typing {
		parts = append(parts, "/"+cut(clean(l.filter), 16))
	}
	if l.frozen != nil {
		frozen := "frozen"
		if n := l.fresh(); n > 0 {
			frozen += fmt.Sprintf(", %s new", grouped(n))
		}
		parts = append(parts, frozen)
	}
	if s.live.view == commitsView {
		parts = append(parts, s.live.status())
	} else if age := s.live.age(); age >= staleAfter {
		parts = append(parts, "as of "+elapsed(age)+" ago")
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return strings.Join(parts, " · ")
}
