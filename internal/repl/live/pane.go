// Package live keeps what happens in an application for a person who watches: commits and
// the cursors that they reached, connections, cursors, routes and the log. A [Pane] holds
// what a screen shows of them; an [EventLog] prints them as sentences.
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

// The views, in the order of their keys. Views is how many there are.
const (
	CommitsView View = iota
	ConnectionsView
	CursorsView
	RoutesView
	LogView
	Views
)

// String returns the view's name.
func (v View) String() string {
	return [...]string{"commits", "connections", "cursors", "routes", "log"}[v]
}

// Request returns the request that brings the view up to date, "" if events do.
func (v View) Request() string {
	return [...]string{"", wire.DoConnections, wire.DoCursors, wire.DoRoutes, ""}[v]
}

// A Pane is the running application, as it runs: the commits, as they happen,
// and what is open. It keeps the last of what happened.
type Pane struct {
	Now   func() time.Time
	View  View
	views [Views]Listing
	grids [Views]*grid

	bySeq    map[uint64]*activity
	pending  []Row             // commits that are shown with the next turn, while there are many
	users    map[uint64]string // of the open connections
	Count    int               // of the open connections
	Seq      uint64
	rows     uint64 // how many there ever were
	rate     rateMeter
	told     int       // commits told one by one, in this turn and the last
	polledAt time.Time // when what is shown was asked for
	failed   error
}

// NewPane returns an empty pane that shows commits.
func NewPane() Pane {
	p := Pane{Now: time.Now, bySeq: map[uint64]*activity{}, users: map[uint64]string{}}
	p.views[CommitsView] = Listing{Tail: true, empty: "Commits appear here as they happen, with the connections that they reach."}
	p.views[ConnectionsView] = Listing{empty: "Nobody is connected."}
	p.views[CursorsView] = Listing{empty: "No cursor is open."}
	p.views[RoutesView] = Listing{empty: "There are no routes."}
	p.views[LogView] = Listing{Tail: true, empty: "What the application logs appears here."}
	p.grids = [Views]*grid{ConnectionsView: newConnectionGrid(), CursorsView: newCursorGrid(), RoutesView: newRouteGrid()}
	return p
}

// List returns the rows of the current view.
func (p *Pane) List() *Listing { return &p.views[p.View] }

// add puts a row at the end of a view that keeps the last of them.
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

// Connected replaces what is known of the open connections.
func (p *Pane) Connected(connections []wire.ConnectionInfo) {
	p.users = map[uint64]string{}
	for _, c := range connections {
		p.users[c.ID] = c.User
	}
	p.Count = len(p.users)
}

// Event adds what an event says to the views.
func (p *Pane) Event(event wire.ControlEvent) {
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
		p.Count = len(p.users)
		p.addActivity(&activity{note: fmt.Sprintf("+ %s joined over %s", event.Joined.User, event.Joined.Transport)})
	case event.Left != 0:
		user := cmp.Or(p.users[event.Left], fmt.Sprintf("connection %d", event.Left))
		delete(p.users, event.Left)
		p.Count = len(p.users)
		p.addActivity(&activity{note: fmt.Sprintf("− %s left", user)})
	case event.Log != nil:
		p.add(LogView, &logRow{LogEvent: *event.Log, number: p.number()})
	}
}

func (p *Pane) commit(c *wire.CommitEvent) {
	now := p.Now()
	p.Seq, p.Count = c.Seq, c.Connections
	p.rate.add(now, 1)
	for _, change := range c.Changes {
		p.rate.count(change.Op, change.Model, 1)
	}
	h := &activity{commit: c, applied: map[uint64]int64{}, dense: p.rate.busy(now)}
	p.bySeq[c.Seq] = h
	p.addActivity(h)
}

// skipped notes commits that the application only counts.
func (p *Pane) skipped(s *wire.Skipped) {
	now := p.Now()
	p.Seq = max(p.Seq, s.Seq)
	p.rate.add(now, s.Commits)
	p.rate.until = now.Add(busyFor)
	for _, c := range s.Changes {
		p.rate.count(c.Op, c.Model, c.N)
	}
}

// addActivity shows what happened: at once, or where much does, with the next turn.
func (p *Pane) addActivity(h *activity) {
	h.number = p.number()
	if p.Busy() {
		p.pending = append(p.pending, h)
		return
	}
	p.add(CommitsView, h)
}

// Busy reports whether so many commits come that they are gathered and sampled.
func (p *Pane) Busy() bool { return p.rate.busy(p.Now()) }

// Flush shows the commits that were gathered. It reports whether it should be called again,
// after [RateStep].
func (p *Pane) Flush() (again bool) {
	p.rate.advance(p.Now())
	p.add(CommitsView, p.pending...)
	p.pending = nil
	return p.Busy()
}

// Status says how much happens, where that is more than is shown.
func (p *Pane) Status() string {
	rate := p.rate.perSecond()
	if !p.Busy() || rate == 0 {
		return ""
	}
	return show.Grouped(rate) + "/s, sampled"
}

// StaleAfter is the age from which a view should say how old it is.
const StaleAfter = 4 * time.Second

// Age is how long ago what is shown was asked for; 0 where events bring it.
func (p *Pane) Age() time.Duration {
	if p.View.Request() == "" || p.polledAt.IsZero() {
		return 0
	}
	return p.Now().Sub(p.polledAt)
}

// load says what the many commits are.
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

// Visible returns the lines of the pane that are visible, and which of them belong to the
// selected row.
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
	return l.view(f, height)
}

// Last is the last commit on one line, as much of it as fits.
func (p *Pane) Last(f show.Formatter) string {
	rows := p.views[CommitsView].rows
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
			if line := commitHead(f, commit, true) + term.Paint(f.Styles.Dim, "  → "+reachedOf(c)); term.Width(line) <= f.Width {
				return line
			}
		}
		return term.Cut(commitHead(f, &short, true), f.Width)
	}
	return term.Paint(f.Styles.Dim, "no commit yet")
}

// A PolledMsg is an answer to the request of a view that events do not keep current.
type PolledMsg struct {
	View        View
	Number      int // of the question
	Connections []wire.ConnectionInfo
	Cursors     []wire.CursorInfo
	Routes      []wire.Route
	Took        time.Duration
	Err         error
}

// Update shows an answer to the request of a view.
func (p *Pane) Update(msg PolledMsg) {
	if p.failed = msg.Err; msg.Err != nil {
		return
	}
	p.polledAt = p.Now()
	l, g := &p.views[msg.View], p.grids[msg.View]
	l.rows = nil
	for _, c := range msg.Connections {
		p.users[c.ID] = c.User
		r := &connectionRow{ConnectionInfo: c, seq: p.Seq, at: p.polledAt, grid: g}
		g.measure(r.cells(&term.Styles{}))
		l.rows = append(l.rows, r)
	}
	for _, c := range msg.Cursors {
		r := &cursorRow{CursorInfo: c, grid: g}
		for _, number := range c.Connections {
			if user, ok := p.users[number]; ok && !slices.Contains(r.users, user) {
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
	l.renew()
}
