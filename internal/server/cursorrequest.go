package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/server/view"
	"github.com/towerkit/tower/internal/wire"
)

// A CursorRequest is a cursor that a client wants to open: a declared cursor with its
// input, and conditions, order and limit to narrow it by.
type CursorRequest struct {
	Route   *route.Route
	In      any
	partial string // renders each record, in the list of a page; "": records are sent as JSON

	Where []byte
	Order []string
	Limit int32
	scope bool // the answer describes the scope
}

// perViewer reports whether the partial depends on its viewer.
func (cr *CursorRequest) perViewer() bool { return view.DependsOnViewer(cr.partial) }

// tag returns a text that differs for different requests. It keeps their queries apart:
// scopes that are equal now may differ after a change of the user's rights.
func (cr *CursorRequest) tag() (string, error) {
	in, err := json.Marshal(cr.In)
	if err != nil {
		return "", fmt.Errorf("encode its input: %w", err)
	}
	return fmt.Sprintf("%s %s %s %q %d %s", cr.Route.Name, in, cr.Where, cr.Order, cr.Limit, cr.partial), nil
}

// narrow applies the client's conditions, order and limit to the application's scope. It
// allows only the fields in Route.Narrow.
func (cr *CursorRequest) narrow(scope query.Scope) (query.Scope, error) {
	if cr.Route.Value && (len(cr.Order) > 0 || cr.Limit > 0) {
		return scope, fault.Errorf(fault.BadRequest, "%s is a value; it takes neither an order nor a limit", cr.Route.Name)
	}
	if len(cr.Where) > 0 {
		where, err := parseWhere(scope.Model, cr.Where)
		if err != nil {
			return scope, err
		}
		if err := cr.checkFields(slices.Collect(where.Fields)); err != nil {
			return scope, err
		}
		scope.Where = query.And(scope.Where, where)
	}
	if len(cr.Order) > 0 {
		order, err := query.ParseOrder(scope.Model, cr.Order)
		if err != nil {
			return scope, fault.Errorf(fault.BadRequest, "%v", err)
		}
		fields := make([]*record.Field, len(order))
		for i, term := range order {
			fields[i] = term.Field
		}
		if err := cr.checkFields(fields); err != nil {
			return scope, err
		}
		if scope.Limit != 0 || scope.Offset != 0 {
			return scope, fault.Errorf(fault.BadRequest, "%s has its own limit and keeps its order", cr.Route.Name)
		}
		scope.Order = order
	}
	if limit := int(cr.Limit); limit > 0 && (scope.Limit == 0 || limit < scope.Limit) {
		scope.Limit = limit
	}
	return scope, nil
}

func (cr *CursorRequest) checkFields(fields []*record.Field) error {
	for _, field := range fields {
		if !slices.Contains(cr.Route.Narrow, field) {
			return fault.Errorf(fault.Forbidden, "%s cannot be narrowed by %s", cr.Route.Name, field.Name)
		}
	}
	return nil
}

// parseWhere parses conditions in their JSON form.
func parseWhere(m *record.Model, data []byte) (query.Condition, error) {
	var where map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&where); err != nil {
		return query.Condition{}, fault.Errorf(fault.BadRequest, "the conditions are not a JSON object: %v", err)
	}
	condition, err := query.Parse(m, where)
	if err != nil {
		return condition, fault.Errorf(fault.BadRequest, "%v", err)
	}
	return condition, nil
}

// CursorRequest reads which cursor a client wants to open, and the position that it
// resumes from. since is nil if it does not resume.
func (a *App) CursorRequest(c *Connection, req *wire.Request) (cr *CursorRequest, since *ResumeFrom, err error) {
	cr = &CursorRequest{Where: req.Where, Order: req.Order, Limit: int32(min(req.Limit, math.MaxInt32)), scope: req.Scope}
	resync := ""
	name, in := req.Open, req.In
	if req.Live != "" {
		var list session.List
		if list, err = a.sessions.OpenList(req.Live); err != nil {
			return nil, nil, fault.Errorf(fault.BadRequest, "this page's list cannot be read; reload the page")
		}
		name, in, cr.partial = list.Cursor, list.In, list.Partial
		if list.Build != a.config.Build || list.User != c.user {
			resync = "rules"
		}
	}
	if cr.Route = a.router.Cursors[name]; cr.Route == nil {
		return nil, nil, fault.Errorf(fault.NotFound, "there is no cursor %q", name)
	}
	if cr.In, err = cr.Route.Inputs.Decode(nil, in, nil); err != nil {
		return nil, nil, err
	}
	if since, err = a.ResumeFrom(c, req.Since); since != nil {
		since.resync = cmp.Or(since.resync, resync)
	}
	return cr, since, err
}

// ScopeOf returns the scope of a console's query.
func ScopeOf(m *record.Model, req *wire.ControlRequest) (query.Scope, error) {
	scope := query.Scope{Model: m, Limit: req.Limit, Offset: req.Offset}
	var err error
	if len(req.Where) > 0 {
		if scope.Where, err = parseWhere(m, req.Where); err != nil {
			return scope, err
		}
	}
	if scope.Order, err = query.ParseOrder(m, req.Order); err != nil {
		return scope, fault.Errorf(fault.BadRequest, "%v", err)
	}
	if req.Limit < 0 || req.Offset < 0 {
		return scope, fault.Errorf(fault.BadRequest, "limit and offset must not be negative")
	}
	return scope, nil
}
