package repl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/towerkit/tower/internal/wire"
)

const (
	longestPane  = 500 // happenings
	shownChanges = 4   // of one commit
	shownReaches = 6   // of one commit
	outcomeRoom  = 20  // for two gaps and "change ✓ 12.3 ms"
	roomyPane    = 50  // cells from which nothing has to be tight
)

// A livePane is what happens in the application, as it happens: commits, and
// connections that come and go. It keeps the last of them.
type livePane struct {
	happenings []*happening
	bySeq      map[uint64]*happening
	users      map[uint64]string // of the open connections
	received   int               // events since the last that was missed
	missed     int               // events lately missed
	back       int               // lines below the visible ones
}

// A happening is a commit, or a note about a connection.
type happening struct {
	commit  *wire.CommitEvent
	applied map[uint64]int64 // microseconds, by connection
	note    string

	cells int // the width that lines was made for
	lines []string
}

func (p *livePane) add(h *happening) {
	p.happenings = append(p.happenings, h)
	if over := len(p.happenings) - longestPane; over > 0 {
		for _, old := range p.happenings[:over] {
			if old.commit != nil {
				delete(p.bySeq, old.commit.Seq)
			}
		}
		p.happenings = slices.Delete(p.happenings, 0, over)
	}
}

// connected replaces what is known of the open connections.
func (p *livePane) connected(connections []wire.ConnectionInfo) {
	p.users = map[uint64]string{}
	for _, c := range connections {
		p.users[c.ID] = c.User
	}
}

func (p *livePane) event(event wire.ControlEvent) {
	if p.missed > 0 {
		p.received++
	}
	switch {
	case event.Commit != nil:
		h := &happening{commit: event.Commit, applied: map[uint64]int64{}}
		if p.bySeq == nil {
			p.bySeq = map[uint64]*happening{}
		}
		p.bySeq[event.Commit.Seq] = h
		p.add(h)
	case event.Applied != nil:
		if h := p.bySeq[event.Applied.Seq]; h != nil {
			h.applied[event.Applied.Connection] = event.Applied.Micros
			h.lines = nil
		}
	case event.Joined != nil:
		if p.users == nil {
			p.users = map[uint64]string{}
		}
		p.users[event.Joined.ID] = event.Joined.User
		p.add(&happening{note: fmt.Sprintf("+ %s joined over %s", event.Joined.User, event.Joined.Transport)})
	case event.Left != 0:
		user, ok := p.users[event.Left]
		if !ok {
			user = fmt.Sprintf("connection %d", event.Left)
		}
		delete(p.users, event.Left)
		p.add(&happening{note: fmt.Sprintf("− %s left", user)})
	case event.Missed > 0:
		p.missed += event.Missed
	}
}

// calm forgets that events were missed.
func (p *livePane) calm() { p.received, p.missed = 0, 0 }

// sampled says how much of what happens the pane could follow, or "".
func (p *livePane) sampled() string {
	if p.missed == 0 {
		return ""
	}
	return fmt.Sprintf("sampled %s of %s", grouped(p.received), grouped(p.received+p.missed))
}

// view is the end of the pane, less what is scrolled back, from the top.
func (p *livePane) view(f formatter, height int) []string {
	if len(p.happenings) == 0 {
		return f.wrapped(f.styles.dim, "Commits appear here as they happen, with the connections that they reach.")
	}
	var lines []string
	for i := len(p.happenings) - 1; i >= 0 && len(lines) < height+p.back; i-- {
		drawn := p.happenings[i].draw(f)
		for j := len(drawn) - 1; j >= 0; j-- {
			lines = append(lines, drawn[j])
		}
	}
	p.back = min(p.back, max(len(lines)-height, 0))
	lines = lines[p.back:min(p.back+height, len(lines))]
	slices.Reverse(lines)
	if len(lines) < height && lines[0] == "" {
		lines = lines[1:]
	}
	return lines
}

// status is the last commit on one line, as much of it as fits.
func (p *livePane) status(f formatter) string {
	for i := len(p.happenings) - 1; i >= 0; i-- {
		c := p.happenings[i].commit
		if c == nil {
			continue
		}
		short := *c
		if len(c.Changes) == 1 {
			short.Changes = []wire.ChangeInfo{{Op: c.Changes[0].Op, Model: c.Changes[0].Model, ID: c.Changes[0].ID}}
		}
		for _, commit := range []*wire.CommitEvent{c, &short} {
			if line := commitHead(f, commit) + paint(f.styles.dim, "  → "+reachedOf(c)); width(line) <= f.width {
				return line
			}
		}
		return cut(commitHead(f, &short), f.width)
	}
	return paint(f.styles.dim, "no commit yet")
}

func (h *happening) draw(f formatter) []string {
	if h.cells == f.width && h.lines != nil {
		return h.lines
	}
	h.cells = f.width
	if h.commit == nil {
		h.lines = []string{paint(f.styles.dim, cut(clean(h.note), f.width))}
		return h.lines
	}
	h.lines = []string{""}
	head, by := commitHead(f, h.commit), clean(h.commit.By)
	reached := "→ " + reachedOf(h.commit)
	if h.commit.ReachedAll > 0 {
		reached += " in " + duration(h.commit.Micros)
	}
	reached = below(f) + paint(f.styles.dim, cut(reached, f.width-len(below(f))))
	// Who did it stands where there is room.
	if line, ok := f.beside(head, by); ok {
		head = line
	} else if line, ok := f.beside(reached, by); ok {
		reached = line
	} else {
		reached, _ = f.beside(reached, cut(by, f.width-width(reached)-2))
	}
	h.lines = append(h.lines, cut(head, f.width))
	if len(h.commit.Changes) > 1 {
		h.lines = append(h.lines, h.changes(f)...)
	}
	h.lines = append(h.lines, reached)
	h.lines = append(h.lines, h.reaches(f)...)
	return h.lines
}

// beside puts text, dimmed, at the right end of a line, if there is room for it.
func (f formatter) beside(line, text string) (string, bool) {
	room := f.width - width(line) - width(text)
	if room < 2 {
		return line, false
	}
	return line + padLeft("", room) + paint(f.styles.dim, text), true
}

// commitHead is a commit in a few words: #813 create posts/…7QX "Hello".
func commitHead(f formatter, c *wire.CommitEvent) string {
	head := paint(f.styles.strong, fmt.Sprintf("#%d", c.Seq)) + " "
	if len(c.Changes) == 1 {
		return head + changeText(f, c.Changes[0])
	}
	return head + fmt.Sprintf("%s changes", grouped(len(c.Changes)))
}

// below is the indentation of what is below a commit's head.
func below(f formatter) string {
	if f.width < roomyPane {
		return "  "
	}
	return "     "
}

func (h *happening) changes(f formatter) []string {
	var lines []string
	for i, change := range h.commit.Changes {
		if i == shownChanges {
			more := fmt.Sprintf("… %s more", grouped(len(h.commit.Changes)-i))
			lines = append(lines, below(f)+paint(f.styles.dim, more))
			break
		}
		lines = append(lines, below(f)+cut(changeText(f, change), f.width-len(below(f))))
	}
	return lines
}

func changeText(f formatter, c wire.ChangeInfo) string {
	style := f.styles.changed
	switch c.Op {
	case "create":
		style = f.styles.good
	case "delete":
		style = f.styles.bad
	}
	text := paint(style, clean(c.Op)) + " " + clean(c.Model) + paint(f.styles.dim, "/"+shortID(c.ID))
	if c.Label != "" {
		text += " " + paint(f.styles.text, quoted(c.Label))
	}
	if len(c.Fields) > 0 {
		text += " " + paint(f.styles.dim, clean(strings.Join(c.Fields, ", ")))
	}
	return text
}

func reachedOf(c *wire.CommitEvent) string {
	if c.Connections == 0 {
		return "no connections"
	}
	return fmt.Sprintf("%s of %s", grouped(c.ReachedAll), counted(c.Connections, "connection"))
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return grouped(n) + " " + what
}

func duration(micros int64) string {
	switch {
	case micros < 1000:
		return fmt.Sprintf("%d µs", micros)
	case micros < 1_000_000:
		return fmt.Sprintf("%.1f ms", float64(micros)/1e3)
	}
	return fmt.Sprintf("%.1f s", float64(micros)/1e6)
}

// reaches are what became of the commit in each cursor, a line each.
func (h *happening) reaches(f formatter) []string {
	shown := h.commit.Reached[:min(len(h.commit.Reached), shownReaches)]
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

func (h *happening) outcome(f formatter, reach wire.Reach) string {
	var parts []string
	for _, part := range []struct {
		name  string
		n     int
		style lipgloss.Style
	}{{"enter", reach.Enter, f.styles.good}, {"change", reach.Change, f.styles.changed}, {"leave", reach.Leave, f.styles.bad}} {
		switch {
		case part.n == 1:
			parts = append(parts, paint(part.style, part.name))
		case part.n > 1:
			parts = append(parts, paint(part.style, fmt.Sprintf("%s %s", part.name, grouped(part.n))))
		}
	}
	if len(parts) == 0 {
		return paint(f.styles.dim, "—")
	}
	text := strings.Join(parts, " ")
	if micros, ok := h.applied[reach.Connection]; ok {
		applied := " ✓ applied "
		if f.width < roomyPane {
			applied = " ✓ "
		}
		text += paint(f.styles.good, applied) + paint(f.styles.dim, duration(micros))
	}
	return text
}
