package repl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/wire"
)

// A paneView is one of the views of the live pane.
type paneView int

const (
	commitsView paneView = iota
	connectionsView
	cursorsView
	routesView
	logView
	paneViews
)

func (v paneView) String() string {
	return [...]string{"commits", "connections", "cursors", "routes", "log"}[v]
}

// asks is the request by which the view is brought up to date, "" where events do.
func (v paneView) asks() string {
	return [...]string{"", wire.DoConnections, wire.DoCursors, wire.DoRoutes, ""}[v]
}

// A livePane is the running application, as it runs: the commits, as they happen,
// and what is open. It keeps the last of what happened.
type livePane struct {
	now   func() time.Time
	view  paneView
	views [paneViews]listing
	grids [paneViews]*grid

	bySeq   map[uint64]*activity
	pending []row             // commits that are shown with the next turn, while there are many
	users   map[uint64]string // of the open connections
	count   int               // of the open connections
	seq     uint64
	rows    uint64 // how many there ever were
	rate    rateMeter
	told    int       // commits told one by one, in this turn and the last
	asked   time.Time // when what is shown was asked for
	failed  error
}

func newLivePane() livePane {
	p := livePane{now: time.Now, bySeq: map[uint64]*activity{}, users: map[uint64]string{}}
	p.views[commitsView] = listing{tail: true, empty: "Commits appear here as they happen, with the connections that they reach."}
	p.views[connectionsView] = listing{empty: "Nobody is connected."}
	p.views[cursorsView] = listing{empty: "No cursor is open."}
	p.views[routesView] = listing{empty: "There are no routes."}
	p.views[logView] = listing{tail: true, empty: "What the application logs appears here."}
	p.grids = [paneViews]*grid{connectionsView: newConnectionGrid(), cursorsView: newCursorGrid(), routesView: newRouteGrid()}
	return p
}

func (p *livePane) list() *listing { return &p.views[p.view] }

// add puts a row at the end of a view that keeps the last of them.
func (p *livePane) add(view paneView, rows ...row) {
	l := &p.views[view]
	l.rows = append(l.rows, rows...)
	if over := len(l.rows) - longestPane; over > 0 {
		for _, old := range l.rows[:over] {
			if h, ok := old.(*activity); ok && h.commit != nil {
				delete(p.bySeq, h.commit.Seq)
			}
		}
		l.rows = slices.Delete(l.rows, 0, over)
	}
}

func (p *livePane) number() uint64 {
	p.rows++
	return p.rows
}

// connected replaces what is known of the open connections.
func (p *livePane) connected(connections []wire.ConnectionInfo) {
	p.users = map[uint64]string{}
	for _, c := range connections {
		p.users[c.ID] = c.User
	}
	p.count = len(p.users)
}

func (p *livePane) event(event wire.ControlEvent) {
	switch {
	case event.Commit != nil:
		p.commit(event.Commit)
	case event.Skipped != nil:
		p.skipped(event.Skipped)
	case event.Applied != nil:
		if h := p.bySeq[event.Applied.Seq]; h != nil {
			h.applied[event.Applied.Connection] = event.Applied.Micros
			h.lines = nil
		}
	case event.Joined != nil:
		p.users[event.Joined.ID] = event.Joined.User
		p.count = len(p.users)
		p.happen(&activity{note: fmt.Sprintf("+ %s joined over %s", event.Joined.User, event.Joined.Transport)})
	case event.Left != 0:
		user := cmp.Or(p.users[event.Left], fmt.Sprintf("connection %d", event.Left))
		delete(p.users, event.Left)
		p.count = len(p.users)
		p.happen(&activity{note: fmt.Sprintf("− %s left", user)})
	case event.Log != nil:
		p.add(logView, &logRow{LogEvent: *event.Log, number: p.number()})
	}
}

func (p *livePane) commit(c *wire.CommitEvent) {
	now := p.now()
	p.seq, p.count = c.Seq, c.Connections
	p.rate.add(now, 1)
	for _, change := range c.Changes {
		p.rate.count(change.Op, change.Model, 1)
	}
	h := &activity{commit: c, applied: map[uint64]int64{}, dense: p.rate.busy(now)}
	p.bySeq[c.Seq] = h
	p.happen(h)
}

// skipped notes commits that the application only counts.
func (p *livePane) skipped(s *wire.Skipped) {
	now := p.now()
	p.seq = max(p.seq, s.Seq)
	p.rate.add(now, s.Commits)
	p.rate.until = now.Add(busyFor)
	for _, c := range s.Changes {
		p.rate.count(c.Op, c.Model, c.N)
	}
}

// happen shows what happened: at once, or where much does, with the next turn.
func (p *livePane) happen(h *activity) {
	h.number = p.number()
	if p.busy() {
		p.pending = append(p.pending, h)
		return
	}
	p.add(commitsView, h)
}

func (p *livePane) busy() bool { return p.rate.busy(p.now()) }

// flush shows what has come since the last turn. It reports whether another one is
// due, a quarter of a second later.
func (p *livePane) flush() (again bool) {
	p.rate.advance(p.now())
	p.add(commitsView, p.pending...)
	p.pending = nil
	return p.busy()
}

// status says how much happens, where that is more than is shown.
func (p *livePane) status() string {
	rate := p.rate.perSecond()
	if !p.busy() || rate == 0 {
		return ""
	}
	return grouped(rate) + "/s, sampled"
}

// staleAfter is the age from which it is said.
const staleAfter = 4 * time.Second

// age is how long ago what is shown was asked for; 0 where events bring it.
func (p *livePane) age() time.Duration {
	if p.view.asks() == "" || p.asked.IsZero() {
		return 0
	}
	return p.now().Sub(p.asked)
}

// load says what the many commits are.
func (p *livePane) load(f formatter) string {
	kinds := p.rate.kinds()
	names := slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(kinds[b], kinds[a]), strings.Compare(a, b))
	})
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = clean(name) + " " + grouped(kinds[name]) + "/s"
	}
	return paint(f.styles.dim, cut(strings.Join(parts, "  "), f.width))
}

// see is what is visible of the pane, from the top, and which lines are of the
// selected row.
func (p *livePane) see(f formatter, height int) (lines []string, from, to int) {
	l := p.list()
	l.head = ""
	if g := p.grids[p.view]; g != nil && len(l.rows) > 0 {
		g.fit(f.width)
		l.head = g.head(&f.styles)
	}
	if p.view == commitsView && p.busy() && l.open == nil && height > 4 {
		l.head = p.load(f)
	}
	if p.failed != nil && p.view.asks() != "" {
		return f.wrapped(f.styles.bad, clean(p.failed.Error())), 0, 0
	}
	return l.view(f, height)
}

// last is the last commit on one line, as much of it as fits.
func (p *livePane) last(f formatter) string {
	rows := p.views[commitsView].rows
	for i := len(rows) - 1; i >= 0; i-- {
		c := rows[i].(*activity).commit
		if c == nil {
			continue
		}
		short := *c
		if len(c.Changes) == 1 {
			short.Changes = []wire.ChangeInfo{{Op: c.Changes[0].Op, Model: c.Changes[0].Model, ID: c.Changes[0].ID}}
		}
		for _, commit := range []*wire.CommitEvent{c, &short} {
			if line := commitHead(f, commit, true) + paint(f.styles.dim, "  → "+reachedOf(c)); width(line) <= f.width {
				return line
			}
		}
		return cut(commitHead(f, &short, true), f.width)
	}
	return paint(f.styles.dim, "no commit yet")
}

// polledMsg is what was asked for a view that events do not bring up to date.
type polledMsg struct {
	view        paneView
	number      int // of the question
	connections []wire.ConnectionInfo
	cursors     []wire.CursorInfo
	routes      []wire.Route
	took        time.Duration
	err         error
}

// update takes what was asked.
func (p *livePane) update(msg polledMsg) {
	if p.failed = msg.err; msg.err != nil {
		return
	}
	p.asked = p.now()
	l, g := &p.views[msg.view], p.grids[msg.view]
	l.rows = nil
	for _, c := range msg.connections {
		p.users[c.ID] = c.User
		r := &connectionRow{ConnectionInfo: c, seq: p.seq, at: p.asked, grid: g}
		g.measure(r.cells(&styles{}))
		l.rows = append(l.rows, r)
	}
	for _, c := range msg.cursors {
		r := &cursorRow{CursorInfo: c, grid: g}
		for _, number := range c.Connections {
			if user, ok := p.users[number]; ok && !slices.Contains(r.users, user) {
				r.users = append(r.users, user)
			}
		}
		g.measure(r.cells(&styles{}))
		l.rows = append(l.rows, r)
	}
	for _, route := range msg.routes {
		r := &routeRow{Route: route, grid: g}
		g.measure(r.cells(&styles{}))
		l.rows = append(l.rows, r)
	}
	l.renew()
}
