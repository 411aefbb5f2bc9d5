package repl

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/wire"
)

func reachedOf(c *wire.CommitEvent) string {
	if c.Connections == 0 {
		return "no connections"
	}
	return fmt.Sprintf("%s of %s", grouped(c.ReachedAll), counted(c.Connections, "connection"))
}

// reaches are what became of the commit in each cursor, a line each, at most so
// many.
func (h *activity) reaches(f formatter, most int) []string {
	shown := h.commit.Reached[:min(len(h.commit.Reached), most)]
	users, cursors := 0, 0
	for _, reach := range shown {
		users = max(users, width(clean(reach.User)))
		cursors = max(cursors, width(clean(reach.Cursor)))
	}
	users = min(users, max(f.width/5, 6))
	cursors = min(cursors, max(f.width-len(below(f))-users-outcomeRoom, 8))
	var lines []string
	for _, reach := range shown {
		line := below(f) + pad(cut(clean(reach.User), users), users) + "  " +
			paint(f.styles.dim, pad(cut(clean(reach.Cursor), cursors), cursors)) + "  " + h.outcome(f, reach)
		lines = append(lines, cut(line, f.width))
	}
	if more := len(h.commit.Reached) - len(shown); more > 0 {
		lines = append(lines, below(f)+paint(f.styles.dim, fmt.Sprintf("… %s more", grouped(more))))
	}
	return lines
}

func (h *activity) outcome(f formatter, reach wire.Reach) string {
	var parts []string
	for _, part := range []struct {
		name  string
		n     int
		style lipgloss.Style
	}{{"enter", reach.Enter, f.styles.good}, {"change", reach.Change, f.styles.changed}, {"leave", reach.Leave, f.styles.bad}, {"included", reach.Included, f.styles.changed}} {
		switch {
		case part.n == 1:
			parts = append(parts, paint(part.style, part.name))
		case part.n > 1:
			parts = append(parts, paint(part.style, fmt.Sprintf("%s %s", part.name, grouped(part.n))))
		}
	}
	if reason := whyNot(f, reach); reason != "" {
		parts = append(parts, reason)
	}
	text := strings.Join(parts, " ")
	if micros, ok := h.applied[reach.Connection]; ok && reach.Outcome == "" {
		applied := " ✓ applied "
		if f.width < roomyPane {
			applied = " ✓ "
		}
		text += paint(f.styles.good, applied) + paint(f.styles.dim, duration(micros))
	}
	return cmp.Or(text, paint(f.styles.dim, "—"))
}

// whyNot says why a commit did nothing to a cursor, or ended it.
func whyNot(f formatter, reach wire.Reach) string {
	switch reach.Outcome {
	case "":
		return ""
	case wire.Unmatched:
		return paint(f.styles.dim, "not matched")
	case wire.Denied:
		return paint(f.styles.warn, "denied") + paint(f.styles.dim, " by "+clean(reach.By))
	case wire.Outside:
		return paint(f.styles.dim, "outside its window")
	case wire.Same:
		return paint(f.styles.dim, "same value")
	case wire.Closed:
		return paint(f.styles.bad, "closed") + paint(f.styles.dim, ", may not see it any more")
	case wire.Lost:
		return paint(f.styles.bad, "lost") + paint(f.styles.dim, ", starts anew")
	}
	return paint(f.styles.dim, clean(string(reach.Outcome)))
}
