package tower

import (
	"context"

	"github.com/towerkit/tower/internal/server"
)

// A Connection is one client, for as long as it is connected: a browser tab, a
// program, or one HTTP request. Controllers reach it through their session. It is a
// [DB] and a [Viewer], and safe for concurrent use.
type Connection struct{ conn *server.Connection }

// connectionOf returns the Connection of a client. All sessions of a client get the
// same one.
func connectionOf(c *server.Connection) *Connection {
	return c.Public(func(c *server.Connection) any { return &Connection{c} }).(*Connection)
}

// UserID returns the id of the signed-in user, "" for a visitor.
func (c *Connection) UserID() ID { return c.conn.UserID() }

// SignIn makes id the user of the client from its next request on. Over HTTP, the
// answer of the running action carries the cookie; over a socket, the client fetches
// the cookie and connects again. SignIn checks no password, and does not check that
// there is such a user. If another user is signed in, it first does what SignOut does. Outside of an action, or with a context that is not the
// action's, it does nothing.
func (c *Connection) SignIn(ctx context.Context, id ID) { c.conn.SignIn(ctx, id) }

// SignOut makes the client a visitor from its next request on: see
// [Connection.SignIn]. It ends the session of the client's device: copies of its cookie
// are nobody's, and all its connections end, those of other tabs at once, and the one
// that runs the action when the action has been answered.
func (c *Connection) SignOut(ctx context.Context) { c.conn.SignOut(ctx) }

// EndSessions ends the sessions of a user on all devices: see [App.EndSessions]. An action
// that changes a password calls it, and then SignIn to keep the device that it runs for.
// Without SignIn, the client becomes a visitor if it is that user. In the transaction of
// a console EndSessions does nothing.
//
//	if err := c.EndSessions(ctx, user.ID); err != nil {
//		return err
//	}
//	c.SignIn(ctx, user.ID)
func (c *Connection) EndSessions(ctx context.Context, user ID) error {
	return c.conn.EndSessions(ctx, user)
}

// SetLabel sets the name of the connection's user in the console and in the authors
// of commits.
func (c *Connection) SetLabel(name string) { c.conn.SetLabel(name) }

// Label returns the name that SetLabel set, or else the user's id, or else "visitor".
func (c *Connection) Label() string { return c.conn.Label() }

// Transaction runs fn and commits what it wrote, all or nothing: see [DB].
func (c *Connection) Transaction(ctx context.Context, fn func(*Tx) error) error {
	return transaction(ctx, c.conn, fn)
}

func (c *Connection) db() server.DB              { return c.conn }
func (c *Connection) viewer() *server.Connection { return c.conn }
