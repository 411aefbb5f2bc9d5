package server

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
)

// rule returns a controller's rule for the records of a model, nil if there is none.
func (a *App) rule(m *record.Model, controller any) func(*record.Image) bool {
	ruleFor := a.config.Rules[m]
	if ruleFor == nil {
		return nil
	}
	rule := ruleFor(controller)
	if rule == nil {
		return nil
	}
	return func(image *record.Image) bool {
		rec, err := image.Record()
		if err != nil {
			return false
		}
		began := a.slow.Tick()
		allowed := rule(rec)
		a.slow.Asked(a.ctx, began, func() string { return nameOf(controller) + ".Match" })
		return allowed
	}
}

// nameOf returns the name of a controller's type.
func nameOf(controller any) string {
	kind := reflect.TypeOf(controller)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind.Name()
}

// Denying returns a rule that denies a record if allow panics. It returns nil for nil.
func (a *App) Denying(allow func(*record.Image) bool) func(*record.Image) bool {
	if allow == nil {
		return nil
	}
	return func(image *record.Image) (allowed bool) {
		err := fault.Recover("a rule", func() error {
			allowed = allow(image)
			return nil
		})
		if err != nil {
			a.Report(a.ctx, "rule", err)
		}
		return allowed && err == nil
	}
}

// ruleController returns the controller whose rule applies to a model's records where
// another model's cursor includes them: the controller with the name of the model, or
// else the only controller with such a rule. It returns nil if there is none.
func (a *App) ruleController(m *record.Model) (*route.Controller, error) {
	var found []*route.Controller
	var names []string
	for _, c := range a.router.Mounted {
		if a.rule(m, c.Zero) == nil {
			continue
		}
		if c.Name == m.Name {
			return c, nil
		}
		found, names = append(found, c), append(names, c.Name)
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%s is included, and several controllers have rules for it: %s; mount the controller whose rule applies as %q", m.Name, strings.Join(names, ", "), m.Name)
}

// MatchRule returns the rule of the connection's user for the records of a model, nil if
// there is none. It is the Match of the controller that ctx belongs to, if that has one
// for the model, or else of the controller that owns the model, as for records that a
// cursor includes. A rule that panics denies.
func (c *Connection) MatchRule(ctx context.Context, m *record.Model) (func(*record.Image) bool, error) {
	s, err := c.serving(ctx)
	if err != nil {
		return nil, err
	}
	controller, err := s.session.matcher(s.controller, m)
	if controller == nil || err != nil {
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

// matcher returns the controller whose Match applies to a model's records: owner, if it
// has one for the model, or else the controller that owns the model. It returns nil if
// there is none.
func (s *Session) matcher(owner *route.Controller, m *record.Model) (controller any, err error) {
	a := s.Conn.app
	if owner == nil || a.rule(m, owner.Zero) == nil {
		if owner, err = a.ruleController(m); owner == nil || err != nil {
			return nil, err
		}
	}
	return s.Controller(owner)
}
