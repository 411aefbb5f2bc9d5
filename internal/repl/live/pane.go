// Package live keeps recent activity of an application for a person who watches it:
// commits and the cursors they reached, connections, cursors, routes, the log and jobs. A
// [Pane] holds what a screen shows; an [EventLog] prints events as sentences.
package live

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A View is one of the views of the live pane.
type View int

// The views, in the order of their keys. Views is the number of views.
const (
	CommitsView View = iota
	ConnectionsView
	CursorsView
	RoutesView
	LogView
	JobsView
	Views
)

// String returns the view's name.
func (v View) String() string {
	return [...]string{"commits", "connections", "cursors", "routes", "log", "jobs"}[v]
}

// Request returns the request that refreshes the view, or "" if events keep it up to
// date.
func (v View) Request() string {
	return [...]string{"", wire.DoConnections, wire.DoCursors, wire.DoRoutes, "", wire.DoJobs}[v]
}

// A Pane is the state of the live pane: recent commits, connections, cursors, routes,
// log lines and jobs. It keeps a limited number of each. It is not safe for concurrent use.
type Pane struct {
	Now   func() time.Time // the clock; [NewPane] sets it to time.Now
	View  View             // the current view
	views [Views]Listing
	grids [Views]*grid

	bySeq    map[uint64]*activity
	pending  []Row             // activities for the next Flush, while the pane is busy
	users    map[client]string // names by open connection
	nodes    map[int]wire.NodeInfo
	ofNodes  [Views]bool // the view has a column for the nodes
	silent   []string    // what the shown answer lacks
	Count    int         // the number of open connections
	Seq      uint64      // the last commit
	rows     uint64      // number of rows ever added
	rate     rateMeter
	polledAt time.Time // when the shown answer arrived
	failed   error
}

// NewPane returns an empty pane that shows commits.
func NewPane() Pane {
	p := Pane{Now: time.Now, bySeq: map[uint64]*activity{}, users: map[client]string{}}
	p.views[CommitsView] = Listing{Tail: true, empty: "Commits appear here as they happen, with the connections they reach."}
	p.views[ConnectionsView] = Listing{empty: "No one is connected."}
	p.views[CursorsView] = Listing{empty: "No cursor is open."}
	p.views[RoutesView] = Listing{empty: "There are no routes."}
	p.views[LogView] = Listing{Tail: true, empty: "The application's log appears here."}
	p.views[JobsView] = Listing{empty: "There are no jobs, and no reactions."}
	p.grids = [Views]*grid{ConnectionsView: newConnectionGrid(false), CursorsView: newCursorGrid(false), RoutesView: newRouteGrid(), JobsView: newJobGrid()}
	return p
}

// List returns the rows of the current view.
func (p *Pane) List() *Listing { return &p.views[p.View] }

// add appends rows to a view and drops the oldest rows beyond the limit.
func (p *Pane) add(view View, rows ...Row) {
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

func (p *Pane) number() uint64 {
	p.rows++
	return p.rows
}

// Connected replaces the list of open connections.
func (p *Pane) Connected(connections []wire.ConnectionInfo) {
	p.users = map[client]string{}
	for _, c := range connections {
		p.users[client{c.Node, c.ID}] = c.User
	}
	p.Count = len(p.users)
}

// Event adds an event to the views.
func (p *Pane) Event(event wire.ControlEvent) {
	switch {
	case event.Commit != nil:
		p.commit(event.Node, event.Commit)
	case event.Skipped != nil:
		p.skipped(event.Node, event.Skipped)
	case event.Nodes != nil:
		p.setNodes(event.Nodes.Nodes)
	case event.Applied != nil:
		if h := p.bySeq[event.Applied.Seq]; h != nil {
			h.applied[client{event.Node, event.Applied.Connection}] = event.Applied.Micros
			h.lines = nil
		}
	case event.Joined != nil:
		p.users[client{event.Node, event.Joined.ID}] = event.Joined.User
		p.Count = len(p.users)
		p.addActivity(&activity{note: fmt.Sprintf("+ %s joined over %s%s", event.Joined.User, event.Joined.Transport, onNode(event.Node))})
	case event.Left != 0:
		left := client{event.Node, event.Left}
		user := cmp.Or(p.users[left], fmt.Sprintf("connection %d", event.Left))
		delete(p.users, left)
		p.Count = len(p.users)
		p.addActivity(&activity{note: fmt.Sprintf("− %s left%s", user, onNode(event.Node))})
	case event.Log != nil:
		p.add(LogView, &logRow{LogEvent: *event.Log, node: event.Node, number: p.number()})
	}
}

func (p *Pane) commit(node int, c *wire.CommitEvent) {
	if h := p.bySeq[c.Seq]; h != nil && node != 0 {
		if _, has := h.nodes[node]; !has {
			h.merge(node, c)
		}
		return
	}
	now := p.Now()
	if p.Seq = max(p.Seq, c.Seq); node == 0 {
		p.Seq, p.Count = c.Seq, c.Connections
	}
	p.rate.add(now, 1)
	for _, change := range c.Changes {
		p.rate.count(change.Op, change.Model, 1)
	}
	h := &activity{commit: c, applied: map[client]int64{}, nodes: map[int]int{node: c.ReachedAll}, dense: p.rate.busy(now)}
	p.bySeq[c.Seq] = h
	p.addActivity(h)
}

// skipped records commits that the application counted without sending them.
func (p *Pane) skipped(node int, s *wire.Skipped) {
	now := p.Now()
	p.Seq = max(p.Seq, s.Seq)
	if p.isOthers(node) { // they are the same commits
		return
	}
	p.rate.add(now, s.Commits)
	p.rate.until = now.Add(busyFor)
	for _, c := range s.Changes {
		p.rate.count(c.Op, c.Model, c.N)
	}
}

// addActivity shows an activity, at once or, while the pane is busy, with the next
// Flush.
func (p *Pane) addActivity(h *activity) {
	h.number = p.number()
	if p.Busy() {
		p.pending = append(p.pending, h)
		return
	}
	p.add(CommitsView, h)
}

// Busy reports whether commits arrive so fast that the pane gathers and samples them.
func (p *Pane) Busy() bool { return p.rate.busy(p.Now()) }

// Flush shows the gathered commits. It reports whether to call it again after
// [RateStep].
func (p *Pane) Flush() (again bool) {
	p.rate.advance(p.Now())
	p.add(CommitsView, p.pending...)
	p.pending = nil
	return p.Busy()
}

// Status returns the commit rate if the pane samples commits, else "".
func (p *Pane) Status() string {
	rate := p.rate.perSecond()
	if !p.Busy() || rate == 0 {
		return ""
	}
	return show.Grouped(rate) + "/s, sampled"
}

// StaleAfter is the age of a view after which the screen should show it.
const StaleAfter = 4 * time.Second

// Age returns the time since the current view was refreshed, or 0 if events keep it up
// to date.
func (p *Pane) Age() time.Duration {
	if p.View.Request() == "" || p.polledAt.IsZero() {
		return 0
	}
	return p.Now().Sub(p.polledAt)
}

// load formats the rates of the changes while the pane is busy.
func (p *Pane) load(f show.Formatter) string {
	kinds := p.rate.kinds()
	names := slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(kinds[b], kinds[a]), strings.Compare(a, b))
	})
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = term.Clean(name) + " " + show.Grouped(kinds[name]) + "/s"
	}
	return term.Paint(f.Styles.Dim, term.Cut(strings.Join(parts, "  "), f.Width))
}

// Visible returns the visible lines of the pane, at most height, and the range of lines
// of the selected row.
func (p *Pane) Visible(f show.Formatter, height int) (lines []string, from, to int) {
	l := p.List()
	l.head = ""
	if g := p.grids[p.View]; g != nil && len(l.rows) > 0 {
		g.fit(f.Width)
		l.head = g.head(&f.Styles)
	}
	if p.View == CommitsView && p.Busy() && l.Open == nil && height > 4 {
		l.head = p.load(f)
	}
	if p.failed != nil && p.View.Request() != "" {
		return f.Wrapped(f.Styles.Bad, term.Clean(p.failed.Error())), 0, 0
	}
	var missing []string
	if p.View.Request() != "" {
		for _, text := range p.silent {
			missing = append(missing, term.Paint(f.Styles.Warn, term.Cut(term.Clean(text), f.Width)))
		}
		missing = missing[:min(len(missing), max(height-1, 0))]
	}
	lines, from, to = l.view(f, height-len(missing))
	return append(missing, lines...), from + len(missing), to + len(missing)
}

// Last formats the last commit on one line, with as much detail as fits.
func (p *Pane) Last(f show.Formatter) string {
	rows := p.views[CommitsView].rows
	for i := len(rows) - 1; i >= 0; i-- {
		h := rows[i].(*activity)
		c := h.commit
		if c == nil {
			continue
		}
		short := *c
		if len(c.Changes) == 1 {
			short.Changes = []wire.ChangeInfo{{Op: c.Changes[0].Op, Model: c.Changes[0].Model, ID: c.Changes[0].ID}}
		}
		for _, commit := range []*wire.CommitEvent{c, &short} {
			if line := commitHead(f, commit, true) + term.Paint(f.Styles.Dim, "  → "+h.reached()); term.Width(line) <= f.Width {
				return line
			}
		}
		return term.Cut(commitHead(f, &short, true), f.Width)
	}
	return term.Paint(f.Styles.Dim, "no commit yet")
}

// A PolledMsg is the answer to the request of a view that events do not keep up to
// date.
type PolledMsg struct {
	View        View                  // the view that asked
	Number      int                   // number of the request
	Connections []wire.ConnectionInfo // for [ConnectionsView]
	Cursors     []wire.CursorInfo     // for [CursorsView]
	Routes      []wire.Route          // for [RoutesView]
	Jobs        wire.JobsInfo         // for [JobsView]
	Silent      []string              // what the answer lacks, by node
	Took        time.Duration         // time the request took
	Err         error                 // of the request, or nil
}

// Update shows the answer to the request of a view. If the request failed, it shows the
// error instead.
func (p *Pane) Update(msg PolledMsg) {
	if p.failed = msg.Err; msg.Err != nil {
		return
	}
	p.polledAt, p.silent = p.Now(), msg.Silent
	switch msg.View {
	case ConnectionsView:
		p.separate(msg.View, slices.ContainsFunc(msg.Connections, func(c wire.ConnectionInfo) bool { return c.Node != 0 }), newConnectionGrid)
	case CursorsView:
		p.separate(msg.View, slices.ContainsFunc(msg.Cursors, func(c wire.CursorInfo) bool { return c.Node != 0 }), newCursorGrid)
	}
	l, g := &p.views[msg.View], p.grids[msg.View]
	l.rows = nil
	for _, c := range msg.Connections {
		p.users[client{c.Node, c.ID}] = c.User
		r := &connectionRow{ConnectionInfo: c, seq: p.Seq, at: p.polledAt, grid: g}
		g.measure(r.cells(&term.Styles{}))
		l.rows = append(l.rows, r)
	}
	for _, c := range msg.Cursors {
		r := &cursorRow{CursorInfo: c, grid: g}
		for _, number := range c.Connections {
			if user, ok := p.users[client{c.Node, number}]; ok && !slices.Contains(r.users, user) {
				r.users = append(r.users, user)
			}
		}
		g.measure(r.cells(&term.Styles{}))
		l.rows = append(l.rows, r)
	}
	for _, route := range msg.Routes {
		r := &routeRow{Route: route, grid: g}
		g.measure(r.cells(&term.Styles{}))
		l.rows = append(l.rows, r)
	}
	for _, r := range jobRows(&msg.Jobs, p.polledAt) {
		r.grid = g
		g.measure(r.cells(&term.Styles{}))
		l.rows = append(l.rows, r)
	}
	l.renew()
}
