package server

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// This file holds what package control needs of an application: consoles read the
// same store, act through the same sessions and hold the same cursors as clients.

// ServeConsoles calls open, which serves consoles of the open application. Close
// closes what it returns.
func (a *App) ServeConsoles(open func(*App) (io.Closer, error)) (err error) {
	a.consoles, err = open(a)
	return err
}

// Store returns the application's store.
func (a *App) Store() *store.Store { return a.store }

// Engine returns the engine that keeps the application's cursors.
func (a *App) Engine() *cursor.Engine { return a.engine }

// Router returns the application's routes.
func (a *App) Router() *route.Router { return a.router }

// Config returns the application's configuration, with its defaults.
func (a *App) Config() Config { return a.config }

// Context returns a context that ends when the application closes.
func (a *App) Context() context.Context { return a.ctx }

// Connections returns the open connections in the order in which they joined.
func (a *App) Connections() []*Connection { return a.hub.all() }

// Join adds a connection to the application's. It fails if its user has as many as
// the configuration allows.
func (a *App) Join(c *Connection) error { return a.hub.join(c, a.config.MaxConnections) }

// Leave removes a connection and closes its cursors.
func (a *App) Leave(c *Connection) { a.hub.leave(c) }

// Publish queues an event for the consoles that watch.
func (a *App) Publish(event wire.ControlEvent) { a.inspector.publish(event) }

// Subscribe begins a subscription to the application's events, which first holds the
// newest lines of its log. Unsubscribe ends it.
func (a *App) Subscribe() *Subscription { return a.inspector.subscribe() }

// Unsubscribe ends a subscription.
func (a *App) Unsubscribe(s *Subscription) { a.inspector.unsubscribe(s) }

// PreviewMoves returns which cursors a commit would move to another scope if it were
// made, as Rescope does, and what it would change for connections besides. It
// changes nothing: it connects stand-ins for the real connections.
func (a *App) PreviewMoves(ctx context.Context, commit store.Commit) ([]cursor.Move, []wire.Reaction) {
	p := a.hub.previewMoves(ctx, commit)
	return p.moves, p.reactions()
}

// A ConsoleConnection describes a connection that a console acts through.
type ConsoleConnection struct {
	User      record.ID
	Remote    string
	By        string           // who acts, for the log: "console:ada"; "": the user
	DB        DB               // what it reads and writes; nil: the store
	Transport outbox.Transport // nil: it receives nothing
}

// ConnectConsole returns a connection for a console. It is not among the
// application's connections until it joins them.
func (a *App) ConnectConsole(o ConsoleConnection) *Connection {
	c := &Connection{app: a, user: o.User, remote: o.Remote, by: o.By, db: o.DB, since: time.Now()}
	c.outbox.Limit, c.outbox.Transport = a.config.MaxQueue, o.Transport
	return c
}

// OpenSession returns the session that a new client of the connection's user would
// get, and a context in which it reads and writes what the connection does. The
// session follows nothing. If the application looks for the user and there is none,
// the error is [fault.Unauthenticated].
func (c *Connection) OpenSession(ctx context.Context) (*Session, context.Context, error) {
	ctx = c.withDB(ctx)
	recorder := &follower{}
	s := c.connect(ctx, recorder)
	if s.err != nil {
		return nil, ctx, s.err
	}
	return s, ctx, s.checkUser(ctx, recorder)
}

// Spec returns what a cursor would be opened with for the session's user. Nothing
// is followed.
func (s *Session) Spec(ctx context.Context, cr *CursorRequest) (cursor.Spec, error) {
	spec, _, err := s.spec(ctx, &follower{}, cr)
	return spec, err
}

// Number returns the connection's number among the application's, 0 before it joins.
func (c *Connection) Number() uint64 { return c.number }

// MessageSent reports that the connection's transport has passed on the message that
// it was given, and lets it have the next.
func (c *Connection) MessageSent() { c.outbox.Sent() }

// checkUser makes sure that there is the user, if the application has looked for one.
func (s *Session) checkUser(ctx context.Context, asked *follower) error {
	id := s.Conn.user
	for _, scope := range asked.recorded {
		word, field, values, _ := scope.Where.Parts()
		if id == "" || word != "is" || field.Name != "id" || values[0].Text() != string(id) {
			continue
		}
		err := s.Conn.View(ctx, func(snap *store.Snapshot) error {
			_, err := snap.Get(scope.Model, id)
			return err
		})
		if errors.Is(err, store.ErrNotFound) {
			return fault.Errorf(fault.Unauthenticated, "there is no %s %s", scope.Model.Type, id)
		}
		return err
	}
	return nil
}
