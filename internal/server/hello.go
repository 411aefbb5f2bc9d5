package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/form"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// hello handles the first frame of a client.
func (c *Connection) hello(ctx context.Context, req *wire.Request) error {
	ctx, cancel := context.WithTimeout(ctx, c.app.config.Limits.Timeout)
	defer cancel()
	if req.Hello != wire.Version {
		c.disconnect(outbox.CloseVersion, fmt.Sprintf("%s %d; this server speaks %d", wire.UnsupportedVersion, req.Hello, wire.Version))
		return nil
	}
	c.greeting.Stop()
	if c.current() != nil {
		return fault.Errorf(fault.BadRequest, "this connection has already sent hello")
	}
	if zone, found := form.LoadZone(req.Zone); found {
		c.zone.Store(zone)
	}
	if err := c.Greet(ctx); errors.Is(err, errEnded) {
		return nil // whoever ended it gives the client the reason
	} else if err != nil {
		c.refuse(ctx, err)
		return nil
	}
	c.app.links.Replace(req.Instead, string(c.user))
	c.app.inspector.joined(c)
	return nil
}

// refuse sends the reason why the client cannot connect, and ends the connection.
func (c *Connection) refuse(ctx context.Context, err error) {
	answer := refusal(0, c.app.Report(ctx, "connect", err))
	c.send(answer)
	c.app.hub.leave(c)
	c.outbox.Finish(outbox.CloseRefused(answer.Status), answer.Error.Message)
}

// errEnded is the error of greeting a client whose connection has ended meanwhile.
var errEnded = fault.Errorf(fault.Unavailable, "this connection has ended")

// Greet connects the client and queues its hello. If a commit changes what the session
// depends on meanwhile, Rescope replaces the pending session, and Greet uses the new one.
func (c *Connection) Greet(ctx context.Context) error {
	f := &follower{conn: c}
	first := &Session{Conn: c, follower: f}
	c.setPending(nil, first)
	s := c.connect(ctx, f)
	if err := s.follower.catchUp(ctx); err != nil {
		s.follower.end()
		s = &Session{Conn: c, err: err}
	}
	c.setPending(first, s)
	for {
		s := c.pendingSession()
		rights := s.rights()
		hello, err := wire.Encode(wire.Hello{Hello: wire.Version, Epoch: c.app.store.Epoch(), Seq: c.app.engine.Seq(),
			Build: c.app.config.Build, User: string(c.user), Allowed: *c.app.allowed(rights), Audit: c.app.config.Audit.Seconds()})
		if slot, done := c.completeHello(s, rights); done {
			if s.err != nil {
				return s.err
			}
			if slot == nil {
				s.follower.end()
				return errEnded
			}
			c.outbox.Fill(slot, hello)
			return err
		}
	}
}

// completeHello puts s in use, if it is still the pending session; otherwise it returns
// false. The slot is for the client's hello and comes before all frames of the session.
// It is nil if there is no session or the connection has ended.
func (c *Connection) completeHello(s *Session, rights string) (hello *outbox.Slot, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending != s {
		return nil, false
	}
	if c.pending = nil; s.err == nil && !c.ended {
		c.session, c.rights = s, rights
		hello = c.outbox.Reserve()
	}
	return hello, true
}

// allowed lists the actions and cursors that the rights of a session permit.
func (a *App) allowed(rights string) *wire.Allowed {
	list := &wire.Allowed{Actions: []string{}, Cursors: []string{}}
	for i, rt := range a.router.Routes {
		switch {
		case rights[i] == 0:
		case rt.Kind == route.KindAction:
			list.Actions = append(list.Actions, rt.Pattern())
		default:
			list.Cursors = append(list.Cursors, rt.Name)
		}
	}
	return list
}
