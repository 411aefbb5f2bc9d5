package live

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

func reachedOf(c *wire.CommitEvent) string {
	if c.Connections == 0 {
		return "no connections"
	}
	return fmt.Sprintf("%s of %s", show.Grouped(c.ReachedAll), show.Counted(c.Connections, "connection"))
}

// reaches formats the effect of the commit on each cursor, one to a line, at most most
// lines.
func (h *activity) reaches(f show.Formatter, most int) []string {
	shown := h.commit.Reached[:min(len(h.commit.Reached), most)]
	users, cursors := 0, 0
	for _, reach := range shown {
		users = max(users, term.Width(term.Clean(reach.User)))
		cursors = max(cursors, term.Width(term.Clean(reach.Cursor)))
	}
	users = min(users, max(f.Width/5, 6))
	nodes := 0
	if len(h.nodes) > 1 {
		nodes = len("1  ")
	}
	cursors = min(cursors, max(f.Width-len(below(f))-users-nodes-outcomeRoom, 8))
	var lines []string
	for _, reach := range shown {
		node := ""
		if nodes > 0 {
			node = term.Paint(f.Styles.Dim, strconv.Itoa(reach.Node)) + "  "
		}
		line := below(f) + node + term.Pad(term.Cut(term.Clean(reach.User), users), users) + "  " +
			term.Paint(f.Styles.Dim, term.Pad(term.Cut(term.Clean(reach.Cursor), cursors), cursors)) + "  " + h.outcome(f, reach)
		lines = append(lines, term.Cut(line, f.Width))
	}
	if more := len(h.commit.Reached) - len(shown); more > 0 {
		lines = append(lines, below(f)+term.Paint(f.Styles.Dim, fmt.Sprintf("… %s more", show.Grouped(more))))
	}
	return lines
}

func (h *activity) outcome(f show.Formatter, reach wire.Reach) string {
	var parts []string
	for _, part := range []struct {
		name  string
		n     int
		style lipgloss.Style
	}{{"enter", reach.Enter, f.Styles.Good}, {"change", reach.Change, f.Styles.Changed}, {"leave", reach.Leave, f.Styles.Bad}, {"included", reach.Included, f.Styles.Changed}} {
		switch {
		case part.n == 1:
			parts = append(parts, term.Paint(part.style, part.name))
		case part.n > 1:
			parts = append(parts, term.Paint(part.style, fmt.Sprintf("%s %s", part.name, show.Grouped(part.n))))
		}
	}
	if reason := whyNot(f, reach); reason != "" {
		parts = append(parts, reason)
	}
	text := strings.Join(parts, " ")
	if micros, ok := h.applied[client{reach.Node, reach.Connection}]; ok && reach.Outcome == "" {
		applied := " ✓ applied "
		if f.Width < roomyPane {
			applied = " ✓ "
		}
		text += term.Paint(f.Styles.Good, applied) + term.Paint(f.Styles.Dim, show.Duration(micros))
	}
	return cmp.Or(text, term.Paint(f.Styles.Dim, "—"))
}

// whyNot describes why a commit did not change a cursor, or why it ended it.
func whyNot(f show.Formatter, reach wire.Reach) string {
	switch reach.Outcome {
	case "":
		return ""
	case wire.Unmatched:
		return term.Paint(f.Styles.Dim, "not matched")
	case wire.Denied:
		return term.Paint(f.Styles.Warn, "denied") + term.Paint(f.Styles.Dim, " by "+term.Clean(reach.By))
	case wire.Outside:
		return term.Paint(f.Styles.Dim, "outside its window")
	case wire.Same:
		return term.Paint(f.Styles.Dim, "same value")
	case wire.Closed:
		return term.Paint(f.Styles.Bad, "closed") + term.Paint(f.Styles.Dim, ", no longer allowed")
	case wire.Lost:
		return term.Paint(f.Styles.Bad, "lost") + term.Paint(f.Styles.Dim, ", starts over")
	}
	return term.Paint(f.Styles.Dim, term.Clean(string(reach.Outcome)))
}
