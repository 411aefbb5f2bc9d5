package server

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
)

// A viewer is a session for which something is rendered. Actions without the name of a
// controller are those of its controller. It implements [view.Viewer].
type viewer struct {
	session    *Session
	controller *route.Controller
}

// Session returns the application's session.
func (v viewer) Session() any { return v.session.value }

// Can reports whether the user may call an action on a record: Allow permits the action,
// Match shows the record, and Can of the action's controller permits both together. A rule
// that a controller does not have permits.
func (v viewer) Can(action string, rec any) (bool, error) {
	a := v.session.Conn.app
	rt, err := a.actionNamed(v.controller, action)
	if err != nil {
		return false, err
	}
	m := a.modelOf(rec)
	if m == nil {
		return false, fmt.Errorf("can %s: a %T is not a record of a model", action, rec)
	}
	if !v.session.Allows(rt) {
		return false, nil
	}
	can := false
	err = fault.Recover("a rule", func() error {
		matcher, err := v.session.matcher(rt.Controller, m)
		if err != nil {
			return err
		}
		if matcher != nil {
			if match := a.config.Rules[m](matcher); match != nil && !match(rec) {
				return nil
			}
		}
		if !v.session.grantsRecord(rt, m, rec) {
			return nil
		}
		can, err = v.session.permits(rt, m, func() (any, error) { return rec, nil })
		return err
	})
	if err != nil {
		a.Report(a.ctx, "rule", err)
	}
	return can && err == nil, nil
}

// permits asks the Can of an action's controller about the record that read returns.
// Without a Can it permits, also for a record that cannot be read because it does not
// fit its model.
func (s *Session) permits(rt *route.Route, m *record.Model, read func() (any, error)) (bool, error) {
	controller, err := s.Controller(rt.Controller)
	if err != nil {
		return false, err
	}
	can := s.Conn.app.config.Can[m](controller)
	if can == nil {
		return true, nil
	}
	rec, err := read()
	if err != nil {
		return false, err
	}
	slow := s.Conn.app.slow
	began := slow.Tick()
	permitted := can(rt.Action, rec)
	slow.Asked(s.Conn.app.ctx, began, func() string { return rt.Controller.Type + ".Can" })
	return permitted, nil
}

// CheckCan returns an error if the controller that ctx belongs to does not permit its
// action on a record.
func (c *Connection) CheckCan(ctx context.Context, image *record.Image) error {
	s, err := c.serving(ctx)
	if err != nil || s.route == nil {
		return err
	}
	permitted := false
	err = fault.Recover("a rule", func() error {
		if !s.session.grantsImage(s.route, image) {
			return nil
		}
		permitted, err = s.session.permits(s.route, image.Model, image.Record)
		return err
	})
	if err != nil {
		c.app.Report(ctx, "rule", err)
	}
	if !permitted || err != nil {
		return errNotPermitted(image.Model)
	}
	return nil
}

// grants reports whether the session's user may use a route at all: a grant permits it, or may do
// so for a record.
func (s *Session) grants(rt *route.Route) bool {
	return len(rt.Only) == 0 || s.grantsAny(rt) || s.Conn.user != "" && rt.IsOwned()
}

// grantsAny reports whether a grant of a route permits it to the session's user whatever the
// record. A role that panics is denied.
func (s *Session) grantsAny(rt *route.Route) bool {
	granted := false
	err := fault.Recover("a rule", func() error {
		granted = slices.ContainsFunc(rt.Only, func(g route.Grant) bool {
			if g.Owner != nil || s.Conn.user == "" {
				return false
			}
			return len(g.Roles) == 0 || slices.ContainsFunc(g.Roles, func(role string) bool { return s.Conn.app.router.HasRole(s.value, role) })
		})
		return nil
	})
	if err != nil {
		s.Conn.app.Report(s.Conn.app.ctx, "rule", err)
	}
	return granted && err == nil
}

// grantsRecord reports whether the grants of a route permit what it does with a record of a model.
func (s *Session) grantsRecord(rt *route.Route, m *record.Model, rec any) bool {
	owned := rt.Owned(m)
	return len(owned) == 0 || s.grantsAny(rt) || slices.ContainsFunc(owned, func(g route.Grant) bool { return g.Permits(s.Conn.user, rec) })
}

// grantsImage is grantsRecord for the image of one. It is false for what does not fit its model.
func (s *Session) grantsImage(rt *route.Route, image *record.Image) bool {
	if len(rt.Owned(image.Model)) == 0 {
		return true
	}
	rec, err := image.Record()
	return err == nil && s.grantsRecord(rt, image.Model, rec)
}

// guarded returns a function of a transaction that refuses changes of records which the grants of
// the running action do not permit, however it makes them.
func (c *call) guarded(ctx context.Context, fn func(*Tx) error) func(*Tx) error {
	serving, ok := ctx.Value(servingKey{}).(*serving)
	if !ok || !c.route.IsOwned() {
		return fn
	}
	return func(tx *Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		for _, change := range tx.Changes() {
			image := change.Before
			if image == nil {
				image = change.After
			}
			if !serving.session.grantsImage(c.route, image) {
				return errNotPermitted(image.Model)
			}
		}
		return nil
	}
}

func errNotPermitted(m *record.Model) error {
	return fault.Errorf(fault.Forbidden, "you may not do this with this %s", strings.ToLower(m.Type))
}

// actionNamed returns the route of an action, "Update" of a controller or "posts.Update".
func (a *App) actionNamed(controller *route.Controller, action string) (*route.Route, error) {
	name, method, found := strings.Cut(action, ".")
	for _, rt := range a.router.Routes {
		if found && rt.Controller.Name == name && rt.Action == method || !found && rt.Controller == controller && rt.Action == action {
			return rt, nil
		}
	}
	if controller == nil || found {
		return nil, fmt.Errorf("can: there is no action %q; name it as in \"posts.Update\"", action)
	}
	return nil, fmt.Errorf("can: %s has no action %q; one of another controller is named as in \"posts.Update\"", controller.Name, action)
}

// modelOf returns the model of a record, nil if it is none.
func (a *App) modelOf(rec any) *record.Model {
	t := reflect.TypeOf(rec)
	if t == nil || t.Kind() != reflect.Pointer {
		return nil
	}
	for _, m := range a.config.Models {
		if m.Is(t) {
			return m
		}
	}
	return nil
}
