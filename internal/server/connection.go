package server

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/wire"
)

// A Connection is one client: a browser tab, a program, a test or a console, or the
// sender of one HTTP request. It holds the client's user, its session with the controllers
// that it has used, and its open cursors. Its methods are safe for concurrent use.
type Connection struct {
	app    *App
	number uint64
	user   record.ID
	login  session.Session // of the client's token or cookie; a visitor's for a console or a test
	remote string
	since  time.Time
	kept   *edge.Request                 // what is known of the request that it was opened with; nil: see from
	from   *http.Request                 // the HTTP request that it serves; nil: it outlives its request, or has none
	zone   atomic.Pointer[time.Location] // that the client named; nil: none

	// Only connections of consoles have these.
	by string // the author of commits: "console:ada"
	db DB     // read and written instead of the store; nil: the store

	standalone bool // it serves a test, whose code follows nothing: see SessionFor

	// Connections of one HTTP request do not have these.
	outbox   outbox.Outbox
	meter    *limit.Meter // nil: a console's, which is not bounded
	party    limit.Party
	owed     atomic.Int64 // acknowledgements that the client was asked for
	greeting *time.Timer  // ends the connection of a client that does not say hello
	cut      atomic.Bool  // the client is not listened to any more: it has sent too much, or its session has ended

	label   atomic.Pointer[string]
	seq     atomic.Uint64 // the last commit that was queued
	settled atomic.Uint64 // the last commit that may have changed what the client may see
	applied atomic.Uint64 // the last commit that the client acknowledged
	lag     atomic.Int64  // microseconds from that commit to its acknowledgement

	mu      sync.Mutex
	session *Session
	pending *Session // the new session while the client is being greeted
	rights  string   // the rights that the client knows, see Session.rights
	open    []*OpenCursor
	opening []*OpenCursor
	regions []*region
	ended   bool

	leaving atomic.Bool   // it ends after the answer to the running call: its session has ended
	last    atomic.Uint64 // the commit that ended the session, if leaving: no later one is sent; 0: none

	public struct { // see Public
		once  sync.Once
		value atomic.Value
	}

	presence presence // the inspector's

	// Only the hub uses these.
	touched   []int // indexes of effects of the commit being delivered
	unflushed bool  // its outbox holds back commits
}

// newConnection returns a connection for the client that sent a request. It has no
// transport yet.
func (a *App) newConnection(r *http.Request) *Connection {
	login := a.sessions.Of(r, a.secure(r))
	c := &Connection{app: a, user: login.User, login: login, remote: a.facts(r).Remote, since: time.Now(), kept: edge.Keep(r, a.facts(r), a.config.Keep), meter: limit.NewMeter(&a.config.Limits)}
	c.party = limit.PartyOf(string(c.user), c.remote)
	c.outbox.Limit = a.config.Limits.MaxQueue
	if a.meter != nil {
		c.outbox.OnSlow = a.countSlow
	}
	return c
}

// payer returns the key of the client that pays for what the connection reads: see
// [budget.Clients]. It is "" for consoles and tests, which pay for nothing.
func (c *Connection) payer() string {
	switch {
	case c.from != nil:
		return limit.PartyOf(string(c.user), c.remote).Key()
	case c.meter == nil:
		return ""
	}
	return c.party.Key()
}

// Public returns the value that wrap made of the connection when Public was first
// called. Package tower keeps its own Connection here, so that all sessions of a
// client share one.
func (c *Connection) Public(wrap func(*Connection) any) any {
	c.public.once.Do(func() { c.public.value.Store(wrap(c)) })
	return c.public.value.Load()
}

// Request returns what is known of the request that the client connected with, nil if there
// was none.
func (c *Connection) Request() *edge.Request {
	if c.kept == nil && c.from != nil {
		return edge.Keep(c.from, c.app.facts(c.from), c.app.config.Keep)
	}
	return c.kept
}

// UserID returns the id of the signed-in user, "" for a visitor.
func (c *Connection) UserID() record.ID { return c.user }

// SessionID returns the id of the record of the client's session, "" if it has none.
func (c *Connection) SessionID() record.ID {
	if c.login.ByToken {
		return ""
	}
	return c.login.ID
}

// TokenID returns the id of the record of the client's token, "" if it has none.
func (c *Connection) TokenID() record.ID {
	if !c.login.ByToken {
		return ""
	}
	return c.login.ID
}

// TimeZone returns the application's time zone, or else the one that the client named, or
// else UTC.
func (c *Connection) TimeZone() *time.Location {
	if c.app.config.Zone != nil {
		return c.app.config.Zone
	}
	if zone := c.zone.Load(); zone != nil {
		return zone
	}
	return time.UTC
}

// SetLabel sets the text that the console shows for this connection's user, instead of the
// user's id.
func (c *Connection) SetLabel(label string) { c.label.Store(&label) }

// Label returns the text set by SetLabel, or else the user's id, or else "visitor". In a sandbox it
// begins with the actor's id.
func (c *Connection) Label() string {
	if c.login.Actor != "" {
		return string(c.login.Actor) + " as " + c.ownLabel()
	}
	return c.ownLabel()
}

func (c *Connection) ownLabel() string {
	if label := c.label.Load(); label != nil && *label != "" {
		return *label
	}
	if c.user != "" {
		return string(c.user)
	}
	return "visitor"
}

// disconnect ends the connection with a close code and a reason. It does not wait.
func (c *Connection) disconnect(code int, reason string) { c.outbox.Transport.End(code, reason) }

// send encodes a frame and queues it. It ends the connection if the frame cannot be
// encoded, as with an action's output that has no JSON form.
func (c *Connection) send(frame any) {
	data, err := wire.Encode(frame)
	if err != nil {
		c.app.log.Error("encode a frame", "error", err)
		c.disconnect(outbox.CloseInternal, "the server could not encode a frame")
		return
	}
	c.outbox.Put(data)
}

// Info describes the connection for consoles.
func (c *Connection) Info() wire.ConnectionInfo {
	// A client that waits for nothing has all, also what did not touch it.
	all := c.app.engine.Seq()
	info := wire.ConnectionInfo{ID: c.number, User: c.Label(), UserID: string(c.user), Transport: c.outbox.Transport.Name(),
		Remote: c.remote, Since: c.since, Cursors: []string{}, Seq: c.seq.Load(), Queued: c.outbox.Waiting(),
		Applied: c.applied.Load(), Lag: c.lag.Load(), Device: c.device()}
	if c.SessionID() != "" {
		info.Session = &wire.ConnectionSession{ID: string(c.login.ID), Since: c.login.Since}
	}
	if info.Queued == 0 {
		info.Seq = max(info.Seq, all)
	}
	for _, oc := range c.OpenCursors() {
		info.Cursors = append(info.Cursors, oc.Request.Route.Name)
	}
	return info
}
