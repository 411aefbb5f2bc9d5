package tower

import (
	"context"
	"net/http"
	"time"

	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/session"
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
// there is such a user. It starts a session, a record of [Sessions]. If another user is signed in, it first does what SignOut does. Outside of an action, or with a context that is not the
// action's, it does nothing.
func (c *Connection) SignIn(ctx context.Context, id ID, options ...SessionOption) {
	start := session.Start{User: id}
	for _, option := range options {
		option.set(&start)
	}
	c.conn.SignIn(ctx, start)
}

// SessionID returns the id of the record of the client's session in [Sessions], "" for a
// visitor and for a program that signs in without a cookie.
func (c *Connection) SessionID() ID { return c.conn.SessionID() }

// TokenID returns the id of the record of the client's token in [Tokens], "" if the client has
// none.
func (c *Connection) TokenID() ID { return c.conn.TokenID() }

// SignOut makes the client a visitor from its next request on: see
// [Connection.SignIn]. It ends the session of the client's device: copies of its cookie
// are nobody's, and all its connections end, those of other tabs at once, and the one
// that runs the action when the action has been answered.
func (c *Connection) SignOut(ctx context.Context) { c.conn.SignOut(ctx) }

// SeeAs starts a sandbox, in which the client sees the application as another user, live, and changes
// nothing. From its next request on, UserID is that user, and what would change something fails with
// [CodeForbidden]: transactions, also of pages, and actions and handlers of other methods than GET. Those
// with [InSandbox] run, but write nothing either.
//
// A sandbox is a record of [Sessions] with an ActorID, and the commit that starts it names both users. It ends after 30
// minutes, with the client's own session, and if the application's connect function returns
// [CodeForbidden] or [CodeUnauthenticated] for it. The client is a visitor then. Before that,
// [Connection.LeaveSandbox] makes it itself again.
//
// SeeAs asks no rule: the action that calls it checks who may see as whom, and connect follows that
// right by ActorID. The error has [CodeForbidden] for a visitor, a token, and a client in a sandbox. Outside of an action
// it does nothing.
func (c *Connection) SeeAs(ctx context.Context, user ID) error { return c.conn.SeeAs(ctx, user) }

// LeaveSandbox ends the sandbox that [Connection.SeeAs] started: the client is itself from its next
// request on. The action that calls it needs [InSandbox]. SignOut ends the client's own session as well.
func (c *Connection) LeaveSandbox(ctx context.Context) { c.conn.LeaveSandbox(ctx) }

// ActorID returns the id of the user who sees the application as UserID, by [Connection.SeeAs]. It
// is "" outside of a sandbox.
func (c *Connection) ActorID() ID { return c.conn.ActorID() }

// SetCookie gives the client a cookie of the application, in place of one with the same
// name, domain and path. The answer of the running action or handler carries it; over a
// socket, a stream or polls, the client fetches it and connects again, so that
// [Connection.Request] has it. It arrives only if the action succeeds. No script of a page can read a
// cookie that is HttpOnly, on any transport. An empty path means "/". A handler calls it
// before it sends anything. Outside of an action or a handler, or with a context that is
// not theirs, it sets nothing.
//
// The error says why a browser would not take the cookie: its name or value is not valid or
// is too long, or it has the name of tower's own.
func (c *Connection) SetCookie(ctx context.Context, cookie *http.Cookie) error {
	return c.conn.SetCookie(ctx, cookie)
}

// Guess runs check, which compares what the client sent with a secret of an account, such
// as its password, and returns its result. Of wrong guesses, one address has five at once
// for one account and then one each 30 seconds, and 30 for all accounts and then one each
// 5 seconds. All addresses together have 50 for one account and then one a minute; that
// does not concern an address from which the account was signed in to before. Beyond, check
// does not run, and the error is [CodeTooMany] and says how long to wait. Guesses are counted
// in memory, and those that are right do not count. Of several nodes each allows its share, and
// at least five at once.
//
// account is what the client claims to be, also if there is no such account: check must take
// as long then, or the time tells who has an account.
//
//	right, err := c.Guess(in.Email, func() bool { return password.Matches(hash, in.Password) })
func (c *Connection) Guess(account string, check func() bool) (right bool, err error) {
	return c.conn.Guess(account, check)
}

// SignedURL returns a path at which anybody can download a file until a time: see [App.SignedURL].
func (c *Connection) SignedURL(path string, until time.Time) (string, error) {
	return c.conn.SignedURL(path, until)
}

// EndSessions ends the sessions of a user on all devices: see [App.EndSessions]. An action
// that changes a password calls it, and then SignIn to keep the device that it runs for.
// Without SignIn, the client becomes a visitor if it is that user.
//
//	if err := c.EndSessions(ctx, user.ID); err != nil {
//		return err
//	}
//	c.SignIn(ctx, user.ID)
func (c *Connection) EndSessions(ctx context.Context, user ID) error {
	return c.conn.EndSessions(ctx, user)
}

// TimeZone returns [Config].TimeZone, or else the time zone of the client's device, which it
// names when it connects, or else UTC. While one HTTP request is answered the client's is not
// known.
func (c *Connection) TimeZone() *time.Location { return c.conn.TimeZone() }

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
