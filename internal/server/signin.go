package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/answer"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// sessionOver is the reason to end a connection whose session has ended.
const sessionOver = "this session has ended; sign in again"

// SignIn makes a user the one of this client from its next request on. Over HTTP, the
// answer sets the cookie. Over a socket, the client fetches the cookie and connects
// again. Outside an action, and for a client with a token, SignIn does nothing.
func (c *Connection) SignIn(ctx context.Context, start session.Start) {
	if call := callOf(ctx); call != nil && !c.login.ByToken && (c.login.Actor == "" || start.User == "") {
		call.SignIn = &start
	}
}

// SignOut makes the client a visitor, as SignIn without a user.
func (c *Connection) SignOut(ctx context.Context) { c.SignIn(ctx, session.Start{}) }

// ForToken prepares for the creation of a token in the transaction: the answer of the running call
// is not stored. It returns the index of an action that is unknown, -1 if there is none. The error is [fault.Forbidden] in a call that a token has made, so that what is stolen
// ends with it.
func (tx *Tx) ForToken(ctx context.Context, actions []string) (unknown int, err error) {
	if call := callOf(ctx); call != nil {
		if call.conn.login.ByToken {
			return -1, fault.Errorf(fault.Forbidden, "a token cannot make tokens; sign in")
		}
		call.secret = true
	}
	return slices.IndexFunc(actions, func(action string) bool { return !tx.App.router.HasName(action) && !tx.App.hasFiles(action) }), nil
}

// Guess runs check, which reports whether the client knows the secret of an account. The
// error is [fault.TooMany], and check does not run, after too many wrong guesses.
func (c *Connection) Guess(account string, check func() bool) (right bool, err error) {
	if c.by != "" || c.standalone {
		return check(), nil
	}
	right, wait := c.app.guesses.Try(account, c.remote, check)
	if wait > 0 {
		return false, fault.TooSoon("guesses", wait, "too many wrong attempts")
	}
	return right, nil
}

// EndSessions ends the sessions of a user on all devices: see [App.EndSessions]. In an
// action, the connection that runs it ends after the answer, if it is one of them, and
// its client becomes a visitor unless the action signs it in.
func (c *Connection) EndSessions(ctx context.Context, user record.ID) error {
	if call := callOf(ctx); call != nil && user != "" && c.user == user && call.SignIn == nil {
		c.SignOut(ctx)
	}
	return c.Transaction(ctx, func(tx *Tx) error { return c.app.sessions.EndAll(ctx, tx.Tx, user) })
}

// EndSessions ends the sessions of a user on all devices: their cookies are nobody's from
// now on, also after a restart, and their connections end at once. It returns when that
// is done.
func (a *App) EndSessions(user record.ID) error {
	return a.endSessions("app", user, func(tx *store.Tx) error { return a.sessions.EndAll(a.ctx, tx, user) })
}

// EndSession ends one session of a user, as EndSessions does, or all for "". The commit has
// the author by.
func (a *App) EndSession(by string, user, id record.ID) error {
	return a.endSessions(by, user, func(tx *store.Tx) error {
		if id == "" {
			return a.sessions.EndAll(a.ctx, tx, user)
		}
		if !a.sessions.Has(user, id) {
			return fault.Errorf(fault.NotFound, "this session has ended already")
		}
		return a.sessions.End(tx, id)
	})
}

func (a *App) endSessions(by string, user record.ID, end func(*store.Tx) error) error {
	commit, err := a.store.Update(a.ctx, by, end)
	if err == nil {
		err = a.engine.Wait(a.ctx, commit.Seq)
	}
	for _, c := range a.hub.of(user) {
		if !a.sessions.Live(c.login) {
			a.hub.leave(c)
		}
	}
	return err
}

// SessionKeys returns the records of the sessions and tokens of a user.
func (a *App) SessionKeys(ctx context.Context, tx *store.Tx, user record.ID) ([]record.Key, error) {
	return a.sessions.KeysOf(ctx, tx, user)
}

// Sessions returns the sessions of a user or, for "", all that have open connections, in the
// order of their start.
func (a *App) Sessions(user record.ID) ([]wire.SessionInfo, error) {
	var all []session.Details
	err := a.store.View(a.ctx, func(snap *store.Snapshot) (err error) {
		all, err = a.sessions.List(snap, user)
		return err
	})
	connected := map[record.ID][]*Connection{}
	for _, c := range a.hub.all() {
		connected[c.login.ID] = append(connected[c.login.ID], c)
	}
	infos := []wire.SessionInfo{}
	for _, d := range all {
		on := connected[d.ID]
		if user == "" && len(on) == 0 {
			continue
		}
		info := wire.SessionInfo{ID: string(d.ID), User: string(d.User), UserID: string(d.User), Device: d.Label, Remote: d.Address, Method: d.Method, Since: d.Since, Seen: d.Seen, Connections: []uint64{}}
		for _, c := range on {
			info.User, info.Device, info.Remote = c.Label(), cmp.Or(info.Device, c.device()), cmp.Or(info.Remote, c.remote)
			info.Connections = append(info.Connections, c.number)
		}
		infos = append(infos, info)
	}
	return infos, err
}

// IsSession reports whether a change is one of a session or a token.
func (a *App) IsSession(c store.Change) bool { return a.sessions.IsOf(&c) }

// device returns what the client says it is, "" if that is not known.
func (c *Connection) device() string { return edge.Device(c.agent()) }

func (c *Connection) agent() string {
	if r := c.Request(); r != nil {
		return r.UserAgent
	}
	return ""
}

// A stay is how a transaction of a connection's call leaves the connection. It is zero if there
// is no call.
type stay struct {
	conn *Connection
	left bool // before the transaction
}

// staying prepares for a transaction of the connection's call.
func (c *Connection) staying() stay { return stay{c, c.leaving.Load()} }

// begin returns an error if the session has ended, unless by the call itself, so that nothing is
// written for a session after its end, although the end is not known to the connection yet.
func (s stay) begin(tx *store.Tx) error {
	if s.conn == nil {
		return nil
	}
	s.conn.leaving.Store(s.left) // an earlier run of the transaction may have set it
	if s.left || s.conn.login.ID == "" {
		return nil
	}
	err := s.conn.app.sessions.LiveIn(tx, s.conn.login)
	if errors.Is(err, store.ErrNotFound) {
		err = fault.Errorf(fault.Unauthenticated, sessionOver)
	}
	return err
}

// expectEnd prepares for the end of the connection's own session, if tx ends it: the
// connection is then answered before it ends.
func (s stay) expectEnd(tx *store.Tx) {
	if s.conn != nil && s.conn.login.ID != "" && s.conn.app.sessions.Changes(tx, s.conn.login.ID) {
		s.conn.leaving.Store(true)
	}
}

// over is called when the transaction is over.
func (s stay) over() {
	if s.conn != nil && s.conn.leaving.Load() && !s.left {
		s.conn.leaving.Store(!s.conn.app.sessions.Live(s.conn.login))
	}
}

// SeeAs starts a sandbox, in which this client sees the application as another user from its next
// request on. The error is [fault.Forbidden] for a client that has no session of its own.
func (c *Connection) SeeAs(ctx context.Context, user record.ID) error {
	switch {
	case c.login.Actor != "":
		return errSandbox()
	case c.SessionID() == "" && c.by == "" && !c.standalone:
		return fault.Errorf(fault.Forbidden, "only a user who is signed in by a cookie can see the application as another user")
	case user == "" || user == c.user:
		return fault.Errorf(fault.Forbidden, "you see the application as yourself already")
	}
	c.SignIn(ctx, session.Start{User: user, Sandbox: session.Enter})
	return nil
}

// LeaveSandbox makes this client itself again from its next request on.
func (c *Connection) LeaveSandbox(ctx context.Context) {
	if c.login.Actor != "" {
		c.SignIn(ctx, session.Start{Sandbox: session.Leave})
	}
}

// ActorID returns the id of the user who sees the application as this client's user, "" outside of a
// sandbox.
func (c *Connection) ActorID() record.ID { return c.login.Actor }

// errSandbox returns the error of what a sandbox refuses.
func errSandbox() error {
	return fault.Errorf(fault.Forbidden, "you see the application as another user and can change nothing; leave the sandbox first")
}

// refuses returns an error if the connection is in a sandbox in which the route does not run.
func (c *Connection) refuses(rt *route.Route, method string) error {
	if c.login.Actor == "" || rt.InSandbox || method == http.MethodGet || method == http.MethodHead {
		return nil
	}
	return errSandbox()
}

// writable returns an error in the context of a call or a page in a sandbox.
func writable(ctx context.Context) error {
	s, _ := ctx.Value(servingKey{}).(*serving)
	if call := callOf(ctx); call != nil && call.conn.login.Actor != "" || s != nil && s.session.Conn.login.Actor != "" {
		return errSandbox()
	}
	return nil
}

// endRefused ends the connection's sandbox if connect has refused it: each request of its client
// would fail with that error, also the one to leave.
func (c *Connection) endRefused(err error) {
	code := fault.As(err).Code
	if c.login.Actor != "" && (code == fault.Forbidden || code == fault.Unauthenticated) {
		c.app.sessions.EndSoon(c.login.ID)
	}
}

// signIn starts the session that a call asked for, in place of the client's own, which
// ends with all its connections. The one that runs the call gets the answer first.
func (c *Connection) signIn(ctx context.Context, start session.Start) (session.Name, error) {
	start.Address, start.Agent = c.remote, c.agent()
	stay := c.staying()
	defer stay.over()
	by := "sign in of " + c.Label()
	switch {
	case start.Sandbox == session.Enter:
		by = "see as " + string(start.User) + " by " + c.Label()
	case start.Sandbox == session.Leave:
		by = "end of see as " + string(c.user) + " by " + string(c.login.Actor)
	}
	return c.app.sessions.Start(ctx, by, start, c.login, stay.expectEnd)
}

// setCookie signs a user in, and adds the cookie of the new session to a response, for
// HTTPS only if secure.
func (c *Connection) setCookie(ctx context.Context, w http.ResponseWriter, secure bool, start session.Start) error {
	fresh, err := c.signIn(ctx, start)
	if err != nil {
		return err
	}
	return c.app.sessions.Set(w, secure, fresh)
}

// maxCookie is how many bytes of a cookie's name and value browsers keep.
const maxCookie = 4096

// SetCookie gives this client a cookie with the answer of the call that ctx belongs to.
// Outside of a call, and for a client with a token, it does nothing.
func (c *Connection) SetCookie(ctx context.Context, cookie *http.Cookie) error {
	to := callOf(ctx)
	if to == nil {
		to = &call{conn: c}
	}
	return to.setCookie(cookie)
}

// setCookie adds a cookie of the application to the answer.
func (c *call) setCookie(cookie *http.Cookie) error {
	own := *cookie
	if own.Path == "" {
		own.Path = "/" // a browser would take the path of the request, which differs by transport
	}
	switch err := own.Valid(); {
	case err != nil:
		return fmt.Errorf("set a cookie: %w", err)
	case edge.IsOwnCookie(own.Name):
		return fmt.Errorf("set a cookie: %q is the name of one of tower's", own.Name)
	case len(own.Name)+len(own.Value) > maxCookie:
		return fmt.Errorf("set the cookie %q: it has %d bytes, and browsers keep %d", own.Name, len(own.Name)+len(own.Value), maxCookie)
	}
	if !c.conn.login.ByToken {
		c.Cookies = append(c.Cookies, own.String())
	}
	return nil
}

// takeCookies moves the cookies in the header of an answer to the call, which gives them to
// the client over every transport. It returns the answer without them.
func (c *call) takeCookies(given *answer.Answer) (*answer.Answer, error) {
	lines := given.Header.Values("Set-Cookie")
	if len(lines) == 0 {
		return given, nil
	}
	for _, line := range lines {
		cookie, err := http.ParseSetCookie(line)
		if err == nil {
			err = c.setCookie(cookie)
		}
		if err != nil {
			return nil, err
		}
	}
	rest := *given
	rest.Header = given.Header.Clone()
	rest.Header.Del("Set-Cookie")
	return &rest, nil
}

// addCookies adds cookies to an answer.
func addCookies(w http.ResponseWriter, cookies []string) {
	for _, cookie := range cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
}

// checkSignIn returns an error if SignIn names no page.
func (a *App) checkSignIn() error {
	if a.config.SignIn == "" {
		return nil
	}
	page, _, err := a.router.Find(http.MethodGet, a.config.SignIn)
	if err != nil || page.Kind != route.KindPage || page.Path != a.config.SignIn {
		return fmt.Errorf("Config.SignIn is %q; it is the path of a page of the application, such as /session/new", a.config.SignIn)
	}
	return nil
}

// signInPath returns the page where a browser signs in, with the way back to the page that
// it asked for, or whose form it sent. It returns "" if the application names no page to
// sign in at, or if that is where the browser is.
func (a *App) signInPath(r *http.Request) string {
	back := r.URL.RequestURI()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		back = a.destination(r, "")
	}
	if path, _, _ := strings.Cut(back, "?"); a.config.SignIn == "" || path == a.config.SignIn {
		return ""
	}
	return a.config.SignIn + "?" + url.Values{"return": {back}}.Encode()
}

// refusedCall returns the answer to a call that failed. If its sender must sign in to send
// the form, the answer says where.
func (a *App) refusedCall(req *wire.Request, err *fault.Error) *wire.Answer {
	refused := refusal(req.ID, err)
	if req.Form != nil && err.Code == fault.Unauthenticated {
		refused.Location = a.config.SignIn
	}
	return refused
}

// returnPath returns the path in a form or a query that a browser goes to after signing
// in, "" if there is none. It is never the page where one signs in.
func (a *App) returnPath(values url.Values) string {
	back := ownPath(values.Get("return"))
	if path, _, _ := strings.Cut(back, "?"); path == a.config.SignIn {
		return ""
	}
	return back
}

// ownPath returns a path that a client names, or "" if a browser cannot be sent there:
// anybody can write the link that holds it, so it must be a page of this application.
func ownPath(to string) string {
	target, err := url.Parse(to)
	if err != nil || !answer.IsLocal(to) || !answer.IsLocal(target.Path) || strings.HasPrefix(target.Path, "/_tower/") {
		return ""
	}
	return to
}

// thenPath returns where a form says that its sender goes next, whatever its action says:
// to a page, or back to the one that it was sent from, which is "". said is false if it
// says nothing, or what is no page of this application.
func thenPath(sent url.Values) (path string, said bool) {
	then := sent.Get("_then")
	path = ownPath(then)
	return path, path != "" || then == "back"
}

// endByCommit ends the connections whose sessions or tokens a commit has ended, on this node or another.
// They receive nothing of the commit, but for one that runs the call that ends its session: it receives
// nothing that comes after. It runs under the lock of the engine, so it leaves the rest to the transports.
func (h *hub) endByCommit(commit store.Commit) {
	for _, over := range h.app.sessions.Ended(commit.Changes) {
		for _, c := range h.of(over.User) {
			switch {
			case c.login.ID != over.ID:
			case c.leaving.Load():
				c.last.CompareAndSwap(0, commit.Seq)
			default:
				c.cut.Store(true)
				c.outbox.Cut(outbox.CloseSession, sessionOver)
			}
		}
	}
}

// sessions returns those of the open connections.
func (h *hub) sessions() []record.ID {
	ids := map[record.ID]bool{}
	for _, c := range h.all() {
		if c.login.ID != "" {
			ids[c.login.ID] = true
		}
	}
	return slices.Collect(maps.Keys(ids))
}

// endedBefore reports whether a commit comes after the end of the connection's session.
func (c *Connection) endedBefore(seq uint64) bool {
	last := c.last.Load()
	return last != 0 && last < seq
}

// leaveIfOver ends the connection if the call that it has just answered ended its session.
func (c *Connection) leaveIfOver() {
	if c.leaving.Load() {
		c.app.hub.leave(c)
		c.outbox.Finish(outbox.CloseSession, sessionOver)
	}
}

// hasLeft reports whether the connection has ended.
func (c *Connection) hasLeft() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}
