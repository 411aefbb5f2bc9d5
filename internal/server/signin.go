package server

import (
	"context"
	"fmt"
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

// SignIn makes id the user of this client from its next request on. Over HTTP, the
// answer sets the cookie. Over a socket, the client fetches the cookie and connects
// again. Outside an action SignIn does nothing.
func (c *Connection) SignIn(ctx context.Context, id record.ID) {
	if call := callOf(ctx); call != nil {
		call.SignIn = &id
	}
}

// SignOut makes the client a visitor, as SignIn with an empty id.
func (c *Connection) SignOut(ctx context.Context) { c.SignIn(ctx, "") }

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
// its client becomes a visitor unless the action signs it in. In a transaction of a
// console it does nothing.
func (c *Connection) EndSessions(ctx context.Context, user record.ID) error {
	if _, uncommitted := ctx.Value(dbKey{}).(DB); uncommitted || c.db != nil {
		return nil
	}
	call := callOf(ctx)
	if call == nil {
		return c.app.EndSessions(user)
	}
	if c.cookie.User == user && call.SignIn == nil {
		c.SignOut(ctx)
	}
	return c.app.endSessions(user, c)
}

// EndSessions ends the sessions of a user on all devices: their cookies are nobody's from
// now on, also after a restart, and their connections end at once. It returns when that
// is done.
func (a *App) EndSessions(user record.ID) error { return a.endSessions(user, nil) }

func (a *App) endSessions(user record.ID, caller *Connection) error {
	if user == "" {
		return nil
	}
	if err := caller.afterAnswer(func() error { return a.sessions.EndAll(user) }); err != nil {
		return err
	}
	a.hub.endOver(user, caller)
	return nil
}

// afterAnswer runs end, which ends sessions. If it ends the connection's own, the connection
// ends when it has answered the running call.
func (c *Connection) afterAnswer(end func() error) error {
	if c == nil {
		return end()
	}
	was := c.leaving.Swap(true) // before a commit says that the session has ended
	err := end()
	c.leaving.Store(was || !c.app.sessions.Live(c.cookie))
	return err
}

// EndSession ends one session of a user, with its connections. It fails if the session has
// ended already.
func (a *App) EndSession(user record.ID, number int64) error {
	one := session.Session{User: user, Number: number}
	if !a.sessions.Live(one) {
		return fault.Errorf(fault.NotFound, "this session has ended already")
	}
	if err := a.sessions.End(one); err != nil {
		return err
	}
	a.hub.endOver(user, nil)
	return nil
}

// Sessions returns the sessions that have open connections, of one user or, for "", of
// all, in the order of their first connection.
func (a *App) Sessions(user record.ID) []wire.SessionInfo {
	infos := []wire.SessionInfo{}
	for _, c := range a.hub.all() {
		if c.cookie.User == "" || user != "" && c.user != user {
			continue
		}
		i := slices.IndexFunc(infos, func(s wire.SessionInfo) bool { return s.UserID == string(c.user) && s.Number == c.cookie.Number })
		if i < 0 {
			i = len(infos)
			infos = append(infos, wire.SessionInfo{Number: c.cookie.Number, User: c.Label(), UserID: string(c.user), Device: c.device(), Remote: c.remote, Since: c.cookie.Since()})
		}
		infos[i].Connections = append(infos[i].Connections, c.number)
	}
	return infos
}

// device returns what the client says it is, "" if that is not known.
func (c *Connection) device() string {
	if r := c.Request(); r != nil {
		return edge.Device(r.UserAgent)
	}
	return ""
}

// signIn starts the session that a call asked for, in place of the client's own, which
// ends with all its connections. The one that runs the call gets the answer first.
func (c *Connection) signIn(user record.ID) (session.Session, error) {
	fresh, err := c.app.sessions.Start(user)
	if err != nil || c.cookie.User == "" {
		return fresh, err
	}
	if err := c.afterAnswer(func() error { return c.app.sessions.End(c.cookie) }); err != nil {
		return session.Session{}, err
	}
	c.app.hub.endOver(c.cookie.User, c)
	return fresh, nil
}

// setCookie signs a user in, and adds the cookie of the new session to a response, for
// HTTPS only if secure.
func (c *Connection) setCookie(w http.ResponseWriter, secure bool, user record.ID) error {
	fresh, err := c.signIn(user)
	if err != nil {
		return err
	}
	return c.app.sessions.Set(w, secure, fresh)
}

// maxCookie is how many bytes of a cookie's name and value browsers keep.
const maxCookie = 4096

// SetCookie gives this client a cookie with the answer of the call that ctx belongs to.
// Outside of a call it does nothing.
func (c *Connection) SetCookie(ctx context.Context, cookie *http.Cookie) error {
	to := callOf(ctx)
	if to == nil {
		to = &call{}
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
	c.Cookies = append(c.Cookies, own.String())
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

// endOver ends the connections of a user whose session has ended. The caller's ends when
// it has answered.
func (h *hub) endOver(user record.ID, caller *Connection) {
	for _, c := range h.of(user) {
		switch {
		case h.app.sessions.Live(c.cookie):
		case c == caller:
			c.leaving.Store(true)
		default:
			c.outbox.Cut(outbox.CloseSession, sessionOver) // before a hello that completes now sees that the connection has ended
			h.leave(c)
		}
	}
}

// endByCommit ends the connections whose sessions a commit has ended, on this node or another.
// They receive nothing of the commit. It runs under the lock of the engine, so it leaves
// the rest to the transports.
func (h *hub) endByCommit(commit store.Commit) {
	for _, user := range session.Ended(commit) {
		for _, c := range h.of(user) {
			if !c.leaving.Load() && !h.app.sessions.Live(c.cookie) {
				c.cut.Store(true)
				c.outbox.Cut(outbox.CloseSession, sessionOver)
			}
		}
	}
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
