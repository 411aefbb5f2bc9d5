package server

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/wire"
	"golang.org/x/time/rate"
)

// A Connection is one client: a browser tab, a program, a test, or, for its
// duration, one HTTP request. It knows its current user, makes each controller
// when it is first used and keeps it, and holds the client's open cursors. Its
// methods are safe for concurrent use.
type Connection struct {
	app    *App
	number uint64
	user   record.ID
	remote string
	since  time.Time

	// A connection that a console acts through has these.
	by string // who acts: "console:ada"
	db DB     // what it reads and writes in place of the store, or nil

	// A connection that serves one HTTP request has none of these.
	outbox  outbox.Outbox
	limiter *rate.Limiter

	label   atomic.Pointer[string]
	seq     atomic.Uint64 // of the last commit handed over
	applied atomic.Uint64 // the last commit that the client said it has applied,
	lag     atomic.Int64  // and how many microseconds after the commit that was

	mu      sync.Mutex
	session *Session
	pending *Session // the one to come, while the client's hello is being answered
	rights  string   // those that the client was told of, see visit.rights
	open    []*OpenCursor
	opening []*OpenCursor
	ended   bool

	// The hub's own.
	touched   []int // effects of the commit being delivered
	unflushed bool  // its outbox holds commits that are yet to be flushed
}

// newConnection returns a connection for who sent a request. It has no transport
// yet.
func (a *App) newConnection(r *http.Request) *Connection {
	c := &Connection{app: a, user: a.cookies.user(r), remote: remoteAddr(r), since: time.Now(),
		limiter: rate.NewLimiter(rate.Limit(a.config.MaxRate), 4*a.config.MaxRate)}
	c.outbox.Limit = a.config.MaxQueue
	return c
}

// UserID returns the id of the signed-in user, "" for a visitor.
func (c *Connection) UserID() record.ID { return c.user }

// SetLabel says how the console names this connection's user. Without a label
// it is the user's id.
func (c *Connection) SetLabel(label string) { c.label.Store(&label) }

// Label returns what SetLabel set, else the user's id, else "visitor".
func (c *Connection) Label() string {
	if label := c.label.Load(); label != nil && *label != "" {
		return *label
	}
	if c.user != "" {
		return string(c.user)
	}
	return "visitor"
}

// SignIn makes id the user of this client from its next request on. Over HTTP
// the answer carries the cookie; over a socket the client fetches it and
// connects again. It does nothing outside of an action.
func (c *Connection) SignIn(ctx context.Context, id record.ID) {
	if call := callOf(ctx); call != nil {
		call.SignIn = &id
	}
}

// SignOut makes the client a visitor.
func (c *Connection) SignOut(ctx context.Context) { c.SignIn(ctx, "") }

// disconnect ends the connection, with a code and a reason. It does not wait.
func (c *Connection) disconnect(code int, reason string) { c.outbox.Transport.End(code, reason) }

// send encodes a frame and queues it. A frame that does not encode holds an
// action's output that does not.
func (c *Connection) send(frame any) {
	data, err := wire.Encode(frame)
	if err != nil {
		c.app.log.Error("encode a frame", "error", err)
		c.disconnect(outbox.CloseInternal, "the server could not encode a frame")
		return
	}
	c.outbox.Put(data)
}

func (c *Connection) Info() wire.ConnectionInfo {
	info := wire.ConnectionInfo{ID: c.number, User: c.Label(), UserID: string(c.user), Transport: c.outbox.Transport.Name(),
		Remote: c.remote, Since: c.since, Cursors: []string{}, Seq: c.seq.Load(), Queued: c.outbox.Waiting(),
		Applied: c.applied.Load(), Lag: c.lag.Load()}
	for _, oc := range c.OpenCursors() {
		info.Cursors = append(info.Cursors, oc.Request.Route.Name)
	}
	return info
}
