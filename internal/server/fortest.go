package server

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
)

// What follows is for package towertest, which checks an application against a
// naive reading of its own scopes and rules. They are functions, so that an
// application does not see them as methods of its App.

// Models returns the application's models.
func Models(a *App) []*record.Model { return slices.Clone(a.config.Models) }

// Cursors returns the application's declared cursors of records, in the order in
// which they were declared.
func Cursors(a *App) []*route.Route {
	return slices.DeleteFunc(slices.Clone(a.router.Routes), func(r *route.Route) bool { return r.Kind != route.KindCursor || r.Value })
}

// SpecFor asks the application, as it would be asked for a client that connects now
// as the user, for what a declared cursor is opened with: its scope, and the rules
// that its records must meet. It registers nothing. The error is the one with
// which the client would be refused.
func SpecFor(ctx context.Context, a *App, user record.ID, name string, in json.RawMessage) (cursor.Spec, error) {
	rt := a.router.Cursors[name]
	if rt == nil {
		return cursor.Spec{}, fault.Errorf(fault.NotFound, "there is no cursor %q", name)
	}
	input, err := rt.Inputs.Decode(nil, in, nil)
	if err != nil {
		return cursor.Spec{}, err
	}
	s := (&Connection{app: a, user: user}).connect(ctx, &follower{})
	if s.err != nil {
		return cursor.Spec{}, s.err
	}
	spec, _, err := s.spec(ctx, &follower{}, &CursorRequest{Route: rt, In: input})
	return spec, err
}

// StoreOnly returns an application that is nothing but its store, for tests of what
// a console reads and writes.
func StoreOnly(st *store.Store) *App { return &App{store: st} }
