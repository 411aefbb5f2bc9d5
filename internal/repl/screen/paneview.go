package screen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl/live"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// paneVisible reports whether the live pane is on the screen.
func (s *screen) paneVisible() bool { return s.inPane || s.pane > 0 }

// paneLines returns exactly height lines of the live pane, with a mark at the selected
// ones.
func (s *screen) paneLines(cells, height int) []string {
	f := s.formatter(cells)
	if s.margin() == "" {
		f.Width = max(f.Width-1, 4)
	}
	seen, from, to := s.live.Visible(f, height)
	lines := make([]string, height)
	for i := range lines {
		if i < len(seen) {
			mark := " "
			if s.inPane && from <= i && i < to {
				mark = s.st.Accent.Render("▌")
			}
			lines[i] = mark + seen[i]
		}
	}
	return lines
}

// margin returns the space at the sides of a column, if there is room for it.
func (s *screen) margin() string {
	if s.width < belowFrom {
		return ""
	}
	return " "
}

// formatter returns a formatter for a column of the given width, not counting its
// margins.
func (s *screen) formatter(cells int) show.Formatter {
	return show.Formatter{Styles: s.st, Width: max(cells-2*len(s.margin()), 4)}
}

// paneTitle formats the names of the views, or only the current one if there is no
// room.
func (s *screen) paneTitle(cells int) string {
	active := s.st.Strong
	if s.inPane {
		active = s.st.Accent
	}
	var names []string
	for v := range live.Views {
		if v == s.live.View {
			names = append(names, active.Render(v.String()))
		} else {
			names = append(names, s.st.Dim.Render(v.String()))
		}
	}
	all := strings.Join(names, "  ")
	if room := cells - 4 - term.Width(all); room >= 0 && term.Width(s.paneStatus())+3 <= room || s.paneStatus() == "" && room >= 0 {
		return all
	}
	return active.Render(s.live.View.String()) + s.st.Dim.Render(fmt.Sprintf(" %d/%d", s.live.View+1, live.Views))
}

// paneStatus describes the filter, freezing, sampling and age of the live pane.
func (s *screen) paneStatus() string {
	l := s.live.List()
	var parts []string
	if l.Filter != "" && !l.Typing {
		parts = append(parts, "/"+term.Cut(term.Clean(l.Filter), 16))
	}
	if l.Frozen != nil {
		frozen := "frozen"
		if n := l.Fresh(); n > 0 {
			frozen += fmt.Sprintf(", %s new", show.Grouped(n))
		}
		parts = append(parts, frozen)
	}
	if s.live.View == live.CommitsView {
		parts = append(parts, s.live.Status())
	} else if age := s.live.Age(); age >= live.StaleAfter {
		parts = append(parts, "as of "+show.Elapsed(age)+" ago")
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return strings.Join(parts, " · ")
}
