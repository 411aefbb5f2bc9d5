package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"sync"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/likeness"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
)

// A Session is what the application's Connect function returned for a connection, with
// the controllers made from it. When a commit changes a record that Connect followed,
// the connection gets a new session.
type Session struct {
	Conn     *Connection
	value    any
	follower *follower // what Connect followed; nil: nothing
	err      error     // why there is no value; everything is denied

	mu        sync.Mutex
	instances []instance
	first     [1]instance // holds the first of them

	described sync.Once
	likeness  string // see like
}

// An instance is a controller of one session.
type instance struct {
	controller *route.Controller
	value      any
}

// connect calls the application's Connect function with the state of the store that ctx
// selects. The follower records what the session depends on.
func (c *Connection) connect(ctx context.Context, f *follower) *Session {
	s := &Session{}
	s.connect(ctx, c, f)
	return s
}

// connect makes s a new session of a connection: see [Connection.connect].
func (s *Session) connect(ctx context.Context, c *Connection, f *follower) {
	s.Conn, s.instances = c, s.first[:0]
	s.follower, s.err = f.evaluate(ctx, func(ctx context.Context) error {
		return fault.Recover("Connect", func() (err error) {
			s.value, err = c.app.router.Connect(ctx, c)
			return err
		})
	})
	if s.err != nil {
		s.err = fmt.Errorf("connect: %w", s.err)
		c.endRefused(s.err)
	}
}

// like returns a text that is equal for sessions to which the application gives the same
// answers: same user and actor, same address, equal values. It is "" if that is not known.
func (s *Session) like() string {
	s.described.Do(func() {
		opaque := []reflect.Type{reflect.TypeFor[*Connection]()}
		if public := s.Conn.public.value.Load(); public != nil {
			opaque = append(opaque, reflect.TypeOf(public))
		}
		if text := likeness.Of(s.value, opaque...); text != "" && s.err == nil {
			s.likeness = fmt.Sprintf("%q %q %q %s", s.Conn.user, s.Conn.login.Actor, s.Conn.remote, text)
		}
	})
	return s.likeness
}

// Controller returns the session's instance of a controller. It makes one on first use.
func (s *Session) Controller(controller *route.Controller) (made any, err error) {
	if s.err != nil {
		return nil, s.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.instances {
		if known.controller == controller {
			return known.value, nil
		}
	}
	err = fault.Recover(controller.Type, func() error {
		made = controller.Make(s.value)
		return nil
	})
	if err == nil {
		s.instances = append(s.instances, instance{controller, made})
	}
	return made, err
}

// An allower is a controller that decides which of its routes a user may use.
type allower interface{ Allow(action string) bool }

// Allows reports whether the session's user may use a route: the client's token, if it has one,
// and the route's grants permit it, and the method Allow of its controller returns true, or it
// has no such method. A controller without it is not made for that.
func (s *Session) Allows(rt *route.Route) bool {
	if !s.Conn.login.Permits(rt.Name) || s.err != nil || !s.grants(rt) {
		return false
	}
	zero := rt.Controller.Zero
	if _, guarded := zero.(allower); !guarded && zero != nil { // an interface has no zero controller
		return true
	}
	controller, err := s.Controller(rt.Controller)
	if err != nil {
		return false
	}
	guarded, ok := controller.(allower)
	if !ok {
		return true
	}
	allowed := false
	err = fault.Recover(rt.Controller.Type+".Allow", func() error {
		allowed = guarded.Allow(rt.Action)
		return nil
	})
	return err == nil && allowed
}

// errNotAllowed returns the error of a route that the session's user may not use. It asks a visitor
// to sign in where a grant may then permit it.
func (s *Session) errNotAllowed(rt *route.Route) error {
	if s.Conn.user == "" && len(rt.Only) > 0 {
		return fault.Errorf(fault.Unauthenticated, "sign in to use %s", rt.Pattern())
	}
	return fault.Errorf(fault.Forbidden, "you may not use %s", rt.Pattern())
}

// admits returns an error if the session's client may not use an action or a handler by a method.
func (s *Session) admits(rt *route.Route, method string) error {
	if !s.Allows(rt) {
		return s.errNotAllowed(rt)
	}
	return s.Conn.refuses(rt, method)
}

func errNotOpened(rt *route.Route) error {
	return fault.Errorf(fault.Forbidden, "you may not open %s", rt.Name)
}

// rights returns a byte for each route, 1 if the session's user may use it. It is 0 for
// pages and handlers, because clients do not receive rights to them.
func (s *Session) rights() string {
	routes := s.Conn.app.router.Routes
	rights := make([]byte, len(routes))
	for i, rt := range routes {
		if rt.IsAnnounced() && s.Allows(rt) {
			rights[i] = 1
		}
	}
	return string(rights)
}

// run runs an action or a page, with the values in its path and a JSON or a form as its
// input, and returns its output.
func (s *Session) run(ctx context.Context, rt *route.Route, path url.Values, body json.RawMessage, sent url.Values) (out any, err error) {
	if !s.Allows(rt) {
		return nil, s.errNotAllowed(rt)
	}
	in, err := rt.Inputs.Decode(path, body, sent, s.openFile) // its problems say which fields there are
	if err != nil {
		return nil, err
	}
	controller, err := s.Controller(rt.Controller)
	if err != nil {
		return nil, err
	}
	err = fault.Recover(rt.Controller.Type+"."+rt.Action, func() error {
		out, err = rt.Call(s.serving(ctx, rt), controller, in)
		return err
	})
	return out, err
}

// spec returns what a cursor is opened with for the session's user. The follower records
// what the scope depends on; spec returns it, or nil if it followed nothing.
func (s *Session) spec(ctx context.Context, f *follower, cr *CursorRequest) (spec cursor.Spec, _ *follower, err error) {
	f, err = f.evaluate(ctx, func(ctx context.Context) error {
		spec, err = s.buildSpec(ctx, cr)
		return err
	})
	return spec, f, err
}

// buildSpec calls the method of a cursor and completes its spec.
func (s *Session) buildSpec(ctx context.Context, cr *CursorRequest) (spec cursor.Spec, err error) {
	rt := cr.Route
	if !s.Allows(rt) {
		return spec, errNotOpened(rt)
	}
	controller, err := s.Controller(rt.Controller)
	if err != nil {
		return spec, err
	}
	err = fault.Recover(rt.Controller.Type+"."+rt.Action, func() error {
		spec, err = rt.Spec(s.serving(ctx, rt), controller, cr.In)
		return err
	})
	if err != nil {
		return spec, err
	}
	if spec.Scope, err = cr.narrow(spec.Scope); err != nil {
		return spec, err
	}
	if spec.Allow = s.Conn.app.rule(spec.Scope.Model, controller); spec.Allow != nil && rt.Value {
		if like := s.like(); like != "" {
			spec.RuleKey = rt.Controller.Name + " " + like
		}
	}
	for i := range spec.Include {
		if err := s.resolveInclude(&spec.Include[i]); err != nil {
			return spec, fmt.Errorf("%s: %w", rt.Name, err)
		}
	}
	spec.Ordered, spec.Inline = cr.partial != "", cr.partial != ""
	spec.Chosen = cr.chosen()
	spec.Tag, err = cr.tag()
	return spec, err
}

// resolveInclude completes an include with its model and the rule for its records.
func (s *Session) resolveInclude(in *cursor.Include) error {
	a := s.Conn.app
	in.Model = a.store.Model(in.Fields[0].Ref)
	guard, err := a.ruleController(in.Model)
	if guard == nil || err != nil {
		return err
	}
	controller, err := s.Controller(guard)
	if err != nil {
		return err
	}
	in.Allow = a.rule(in.Model, controller)
	return nil
}

// followed returns the follower of what Connect followed, nil if it followed nothing. It
// changes if the session is kept although something has changed.
func (s *Session) followed() *follower {
	s.Conn.mu.Lock()
	defer s.Conn.mu.Unlock()
	return s.follower
}

// keepSession lets the connection keep its session if a new one is like it, and reports
// whether it does. Then nothing that depends on the session has changed. The new session's
// follower takes over: it follows what Connect has read this time.
func (c *Connection) keepSession(fresh *Session) bool {
	like := fresh.like()
	c.mu.Lock()
	old := c.session
	if like == "" || old == nil || c.pending != nil || c.ended || old.like() != like {
		c.mu.Unlock()
		return false
	}
	was := old.follower
	old.follower = fresh.follower
	c.mu.Unlock()
	was.end()
	return true
}

// replaceSession replaces the connection's session, or the one of a client that is being
// greeted. It reports whether the new session is in use: the client has been greeted and
// has not left.
func (c *Connection) replaceSession(fresh *Session) bool {
	c.mu.Lock()
	old, used := c.session, c.pending == nil && !c.ended
	switch {
	case used:
		c.session = fresh
	case c.pending != nil:
		old, c.pending = c.pending, fresh
	default:
		old = fresh
	}
	c.mu.Unlock()
	old.follower.end()
	return used
}

// isCurrent reports whether the follower belongs to the connection's session, or to its
// pending session.
func (c *Connection) isCurrent(f *follower) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session != nil && c.session.follower == f || c.pending != nil && c.pending.follower == f
}

// current returns the connection's session, nil before its client has been greeted.
func (c *Connection) current() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// pendingSession returns the session of a client that is being greeted.
func (c *Connection) pendingSession() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending
}

// setPending makes fresh the pending session if old still is. If a commit has replaced
// old meanwhile, fresh ends.
func (c *Connection) setPending(old, fresh *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == old {
		c.pending = fresh
	} else {
		fresh.follower.end()
	}
}

// A serving is the session, the controller and the route that a context belongs to.
type serving struct {
	session    *Session
	controller *route.Controller
	route      *route.Route
}

type servingKey struct{}

// serving returns the context for a call of a controller's method.
func (s *Session) serving(ctx context.Context, rt *route.Route) context.Context {
	return context.WithValue(ctx, servingKey{}, &serving{s, rt.Controller, rt})
}

// serving returns the session and the controller that ctx belongs to. A context of no
// call gets the connection's session, or a new session if the connection serves one HTTP
// request.
func (c *Connection) serving(ctx context.Context) (serving, error) {
	if s, ok := ctx.Value(servingKey{}).(*serving); ok && s.session.Conn == c {
		return *s, s.session.err
	}
	if _, connecting := ctx.Value(followerKey{}).(*follower); connecting {
		return serving{}, errors.New("the rules of a connection are known only after connect has returned its session")
	}
	session := c.current()
	if session == nil {
		session = c.connect(ctx, &follower{})
	}
	return serving{session: session}, session.err
}
