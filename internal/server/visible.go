package server

import (
	"context"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// MatchRule returns the rule of the connection's user for the records of a model, nil if
// there is none. It is the Match of the controller that ctx belongs to, if that has one
// for the model, or else of the controller that owns the model, as for records that a
// cursor includes. A rule that panics denies.
func (c *Connection) MatchRule(ctx context.Context, m *record.Model) (func(*record.Image) bool, error) {
	s, err := c.serving(ctx)
	if err != nil {
		return nil, err
	}
	owner := s.controller
	if owner == nil || c.app.rule(m, owner.Zero) == nil {
		if owner, err = c.app.ruleController(m); owner == nil || err != nil {
			return nil, err
		}
	}
	controller, err := s.session.Controller(owner)
	if err != nil {
		return nil, err
	}
	return c.app.Denying(c.app.rule(m, controller)), nil
}

// FetchVisible returns the records of a scope that the connection's user may see, in
// order and as of one commit. Limit and offset count only these records. No transaction
// is open while a rule runs.
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
