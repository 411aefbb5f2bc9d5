package server

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
)

// A session is what [Router.Connect] answered for a connection: its session, and
// the controllers made from it. When something that it followed changes, the
// connection gets another one.
type Session struct {
	Conn     *Connection
	value    any
	follower *follower // nil: it depends on nothing
	err      error     // why there is no session; all is denied

	mu        sync.Mutex
	instances []instance
}

// An instance is a visit's own of a controller.
type instance struct {
	controller *route.Controller
	value      any
}

// connect asks the application who the client is, as ctx sees the store; the
// follower is for what the answer depends on.
func (c *Connection) connect(ctx context.Context, f *follower) *Session {
	s := &Session{Conn: c}
	s.follower, s.err = f.evaluate(ctx, func(ctx context.Context) error {
		return fault.Recover("Connect", func() (err error) {
			s.value, err = c.app.router.Connect(ctx, c)
			return err
		})
	})
	if s.err != nil {
		s.err = fmt.Errorf("connect: %w", s.err)
	}
	return s
}

// controller returns the visit's instance of a controller, made on first use.
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

// allows reports whether the visit's user may use a route: its controller's
// Allow says so, or there is none.
func (s *Session) Allows(rt *route.Route) bool {
	controller, err := s.Controller(rt.Controller)
	if err != nil {
		return false
	}
	asked, ok := controller.(interface{ Allow(action string) bool })
	if !ok {
		return true
	}
	allowed := false
	err = fault.Recover(rt.Controller.Type+".Allow", func() error {
		allowed = asked.Allow(rt.Action)
		return nil
	})
	return err == nil && allowed
}

// rights says what the visit's user may use, a byte for each route. Pages are not
// told of.
func (s *Session) rights() string {
	routes := s.Conn.app.router.Routes
	rights := make([]byte, len(routes))
	for i, rt := range routes {
		if rt.Kind != route.KindPage && s.Allows(rt) {
			rights[i] = 1
		}
	}
	return string(rights)
}

// run passes an input through an action or a page.
func (s *Session) run(ctx context.Context, rt *route.Route, in any) (out any, err error) {
	if !s.Allows(rt) {
		return nil, fault.Errorf(fault.Forbidden, "you may not use %s", rt.Pattern())
	}
	controller, err := s.Controller(rt.Controller)
	if err != nil {
		return nil, err
	}
	err = fault.Recover(rt.Controller.Type+"."+rt.Action, func() error {
		out, err = rt.Call(s.serving(ctx, rt.Controller), controller, in)
		return err
	})
	return out, err
}

// spec asks the controller for the scope of a cursor, as this user sees it; the
// follower, which it returns if it is needed, is for what the scope depends on.
func (s *Session) spec(ctx context.Context, f *follower, cr *CursorRequest) (spec cursor.Spec, _ *follower, err error) {
	f, err = f.evaluate(ctx, func(ctx context.Context) error {
		spec, err = s.buildSpec(ctx, cr)
		return err
	})
	return spec, f, err
}

func (s *Session) buildSpec(ctx context.Context, cr *CursorRequest) (spec cursor.Spec, err error) {
	rt := cr.Route
	if !s.Allows(rt) {
		return spec, fault.Errorf(fault.Forbidden, "you may not open %s", rt.Name)
	}
	controller, err := s.Controller(rt.Controller)
	if err != nil {
		return spec, err
	}
	err = fault.Recover(rt.Controller.Type+"."+rt.Action, func() error {
		spec, err = rt.Spec(s.serving(ctx, rt.Controller), controller, cr.In)
		return err
	})
	if err != nil {
		return spec, err
	}
	if spec.Scope, err = cr.narrow(spec.Scope); err != nil {
		return spec, err
	}
	spec.Allow = s.Conn.app.rule(spec.Scope.Model, controller)
	for i := range spec.Include {
		if err := s.resolveInclude(&spec.Include[i]); err != nil {
			return spec, fmt.Errorf("%s: %w", rt.Name, err)
		}
	}
	spec.Ordered, spec.Inline = cr.partial != "", cr.partial != ""
	spec.Tag, err = cr.tag(s.Conn)
	return spec, err
}

// resolveInclude completes what a scope includes with its model and the rule of that.
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

// replaceSession puts a visit in the place of the connection's own, and reports whether
// it is in use: its client has been greeted, and has not gone.
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

// isCurrent reports whether the connection's visit, or the one to come, is the
// follower's answer.
func (c *Connection) isCurrent(f *follower) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session != nil && c.session.follower == f || c.pending != nil && c.pending.follower == f
}

func (c *Connection) current() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// pendingSession returns the visit to come.
func (c *Connection) pendingSession() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending
}

// setPending puts one visit to come in the place of another, if that is still it.
func (c *Connection) setPending(old, fresh *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == old {
		c.pending = fresh
	} else {
		fresh.follower.end()
	}
}

// A serving is the session and the controller that an action, a page or the method of
// a cursor runs for.
type serving struct {
	session    *Session
	controller *route.Controller
}

type servingKey struct{}

// serving returns the context that the methods of a controller are called with.
func (s *Session) serving(ctx context.Context, controller *route.Controller) context.Context {
	return context.WithValue(ctx, servingKey{}, serving{s, controller})
}

// serving returns what ctx serves for the connection. A context that serves nothing
// gets the connection's own session; an HTTP request, which keeps none, a new one.
func (c *Connection) serving(ctx context.Context) (serving, error) {
	if s, ok := ctx.Value(servingKey{}).(serving); ok && s.session.Conn == c {
		return s, s.session.err
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
