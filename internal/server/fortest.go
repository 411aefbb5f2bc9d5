package server

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/database/driver"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// The functions in this file are for package towertest, which compares an application
// with a naive evaluation of its own scopes and rules. They are functions, not methods, so
// that an application does not see them on its App.

// AppOf returns the application behind a *tower.App. Package tower sets it: it is the
// only way from the public type to this package, and not one of its methods.
var AppOf func(app any) *App

// A Pace is a clock for the store and the archive of an application, so that days pass in
// minutes, and how long it waits for other nodes. Zero fields are the defaults.
type Pace struct {
	Now     func() time.Time
	LogAge  time.Duration // by Now
	Archive time.Duration // how long commits may wait before they are archived, by the real clock
	LogWait time.Duration // see store.Options
	Reach   time.Duration // how long requests wait for a commit of another node
}

// SetPace sets the pace of an application before it opens.
func SetPace(a *App, p Pace) { a.pace = p }

// ShareLog makes an application a node of those that share the log. It is called before the
// application opens.
func ShareLog(a *App, log driver.Log) {
	a.config.OpenLog = func(context.Context, *slog.Logger) (driver.Log, error) { return log, nil }
}

// SessionFor returns what the application's connect function returns for a client that
// connects now as the user. What connect follows is read and not followed, and so is
// what the methods of a controller made from the session follow.
func SessionFor(ctx context.Context, a *App, user record.ID) (any, error) {
	c := &Connection{app: a, user: user, standalone: true, since: time.Now()}
	v := c.connect(ctx, &follower{})
	c.session = v
	return v.value, v.err
}

// Models returns the application's models.
func Models(a *App) []*record.Model { return slices.Clone(a.config.Models) }

// Controllers returns the types of the application's controllers.
func Controllers(a *App) []reflect.Type {
	var types []reflect.Type
	for _, c := range a.router.Mounted {
		types = append(types, reflect.TypeOf(c.Zero))
	}
	return types
}

// Cursors returns the application's declared cursors of records, in the order of their
// declaration.
func Cursors(a *App) []*route.Route {
	return slices.DeleteFunc(slices.Clone(a.router.Routes), func(r *route.Route) bool { return r.Kind != route.KindCursor || r.Value })
}

// SpecFor returns what a declared cursor is opened with by a request, for a client that
// connects now as the user: its scope, and the rules for its records. It registers nothing.
// The error is the one that the client would receive.
func SpecFor(ctx context.Context, a *App, user record.ID, request wire.Request) (cursor.Spec, error) {
	s := (&Connection{app: a, user: user}).connect(ctx, &follower{})
	cr, _, err := a.CursorRequest(ctx, s.Conn, &request)
	if err == nil {
		err = s.err
	}
	if err != nil {
		return cursor.Spec{}, err
	}
	spec, _, err := s.spec(ctx, &follower{}, cr)
	return spec, err
}

// StoreOnly returns an application that has only a store, for tests of what a console
// reads and writes.
func StoreOnly(st *store.Store) *App { return &App{store: st} }

// A Right is what a user may do: use a route, see a record, or use a route on a record.
type Right struct {
	Kind      string // that of the route, or "see"
	Name      string // of the route or the model
	Record    int    // the index of the record; -1: whatever the record
	Permitted bool
}

// Rights returns what a client that connects now as the user may do: with each route of the
// controllers with these names, or of all if there are none, and with each of the records,
// pointers to structs of models. The order is the same for all users.
func Rights(ctx context.Context, a *App, user record.ID, controllers []string, records []any) ([]Right, error) {
	for _, name := range controllers {
		if !slices.ContainsFunc(a.router.Mounted, func(c *route.Controller) bool { return c.Name == name }) {
			return nil, fmt.Errorf("there is no controller %s", name)
		}
	}
	routes := slices.DeleteFunc(slices.Clone(a.router.Routes), func(rt *route.Route) bool {
		return len(controllers) > 0 && !slices.Contains(controllers, rt.Controller.Name)
	})
	s := (&Connection{app: a, user: user, standalone: true}).connect(ctx, &follower{})
	var all []Right
	for _, rt := range routes {
		all = append(all, Right{string(rt.Kind), rt.Pattern(), -1, s.Allows(rt)})
	}
	for i, rec := range records {
		m := a.modelOf(rec)
		if m == nil {
			return nil, fmt.Errorf("a %T is not a record of a model", rec)
		}
		seen, err := s.sees(m, rec)
		if err != nil {
			return nil, err
		}
		all = append(all, Right{"see", m.Name, i, seen})
		for _, rt := range routes {
			if rt.Kind != route.KindAction || a.config.Can[m](rt.Controller.Zero) == nil && len(rt.Owned(m)) == 0 {
				continue
			}
			can, err := viewer{s, rt.Controller}.Can(rt.Action, rec)
			if err != nil {
				return nil, err
			}
			all = append(all, Right{string(rt.Kind), rt.Pattern(), i, can})
		}
	}
	return all, nil
}

// sees reports whether the rule of a model shows a record to the session's user.
func (s *Session) sees(m *record.Model, rec any) (seen bool, err error) {
	if s.err != nil {
		return false, nil //nolint:nilerr // who cannot connect sees nothing
	}
	controller, err := s.matcher(nil, m)
	if controller == nil || err != nil {
		return err == nil, err
	}
	err = fault.Recover("a rule", func() error {
		seen = s.Conn.app.config.Rules[m](controller)(rec)
		return nil
	})
	return seen && err == nil, nil
}
