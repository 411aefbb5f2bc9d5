package server

import (
	"context"
	"errors"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
)

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

// MatchRule returns the rule of the connection's user for the records of a model, nil
// if there is none. It is the Match of the controller that ctx serves, if that has one
// for the model, or else of the controller that owns the model, as for what a cursor
// includes. A rule that panics denies.
func (c *Connection) MatchRule(ctx context.Context, m *record.Model) (func(*record.Image) bool, error) {
	s, err := c.serving(ctx)
	if err != nil {
		return nil, err
	}
	asked := s.controller
	if asked == nil || c.app.rule(m, asked.Zero) == nil {
		if asked, err = c.app.ruleController(m); asked == nil || err != nil {
			return nil, err
		}
	}
	controller, err := s.session.Controller(asked)
	if err != nil {
		return nil, err
	}
	return c.app.Denying(c.app.rule(m, controller)), nil
}

// FetchVisible returns the records of a scope that the connection's user may see, in
// order and as of one commit. Limit and offset count only these. No transaction is
// open while a rule is asked.
func (c *Connection) FetchVisible(ctx context.Context, scope query.Scope) ([]*record.Image, error) {
	rule, err := c.MatchRule(ctx, scope.Model)
	if err != nil {
		return nil, err
	}
	if _, pinned := ctx.Value(atKey{}).(uint64); !pinned {
		ctx = atSeq(ctx, c.app.store.Seq())
	}
	at := func(read func(*store.Snapshot) error) error { return c.View(ctx, read) }
	return cursor.Read(at, cursor.Spec{Scope: scope, Allow: rule})
}
