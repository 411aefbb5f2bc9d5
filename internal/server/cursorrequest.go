package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strings"

	"github.com/towerkit/tower/internal/cursor"
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
	ofPage  bool   // a template asks for it, with its own input
	partial string // renders each record, in the list of a page; "": records are sent as JSON

	Where []byte
	Order []string
	Limit int32
	scope bool // the answer describes the scope
}

// perViewer reports whether the partial depends on its viewer.
func (cr *CursorRequest) perViewer() bool { return view.DependsOnViewer(cr.partial) }

// chosen reports whether the client chose what is asked for: by an input, or by narrowing.
// What a page shows is asked for by its template.
func (cr *CursorRequest) chosen() bool {
	in := reflect.ValueOf(cr.In)
	return len(cr.Where) > 0 || len(cr.Order) > 0 || cr.Limit > 0 || !cr.ofPage && in.IsValid() && !in.IsZero()
}

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
		where, err := parseWhere(scope.Model, cr.Route.Narrow, cr.Where)
		if err != nil {
			return scope, cr.refused(err)
		}
		scope.Where = query.And(scope.Where, where)
	}
	if len(cr.Order) > 0 {
		order, err := query.ParseOrderFields(scope.Model, cr.Route.Narrow, cr.Order)
		if err != nil {
			return scope, cr.refused(err)
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

// refused returns the error that a client sees for conditions or an order that cannot be
// read. It is the same for fields that the client may not name and for those that do not
// exist.
func (cr *CursorRequest) refused(err error) error {
	var unknown *query.UnknownFieldError
	switch {
	case !errors.As(err, &unknown):
		return fault.Errorf(fault.BadRequest, "%v", err)
	case unknown.Near != "":
		return fault.Errorf(fault.Forbidden, "%s cannot be narrowed by %s; did you mean %s?", cr.Route.Name, unknown.Name, unknown.Near)
	}
	return fault.Errorf(fault.Forbidden, "%s cannot be narrowed by %s", cr.Route.Name, unknown.Name)
}

// parseWhere parses conditions in their JSON form, on these fields.
func parseWhere(m *record.Model, fields []*record.Field, data []byte) (query.Condition, error) {
	var where map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err := decoder.Decode(&where)
	if err == nil && decoder.InputOffset() < int64(len(bytes.TrimRight(data, " \t\r\n"))) {
		err = errors.New("more follows after it")
	}
	if other := new(json.UnmarshalTypeError); errors.As(err, &other) {
		err = fmt.Errorf("they are a JSON %s", other.Value)
	}
	if err != nil {
		return query.Condition{}, fmt.Errorf("the conditions are not a JSON object: %w", err)
	}
	return query.ParseFields(m, fields, where)
}

// CursorRequest reads which cursor a client wants to open, and the position that it
// resumes from. since is nil if it does not resume.
func (a *App) CursorRequest(ctx context.Context, c *Connection, req *wire.Request) (cr *CursorRequest, since *ResumeFrom, err error) {
	if req.Limit < 0 {
		return nil, nil, fault.Errorf(fault.BadRequest, "limit is %d; it must not be negative", req.Limit)
	}
	cr = &CursorRequest{Where: req.Where, Order: req.Order, Limit: int32(min(req.Limit, math.MaxInt32)), scope: req.Scope}
	resync := ""
	name, in := req.Open, req.In
	if req.Live != "" {
		var list session.List
		if list, err = a.sessions.OpenList(req.Live); err != nil {
			return nil, nil, fault.Errorf(fault.BadRequest, "its lists come from another run of the application")
		}
		name, in, cr.partial, cr.ofPage = list.Cursor, list.In, list.Partial, true
		if list.Build != a.config.Build || list.User != c.user {
			resync = "rules"
		}
	}
	if cr.Route = a.router.Cursors[name]; cr.Route == nil {
		return nil, nil, fault.Errorf(fault.NotFound, "there is no cursor %q", name)
	}
	if s := c.current(); s != nil && !s.Allows(cr.Route) { // before its input says which fields there are
		return nil, nil, errNotOpened(cr.Route)
	}
	var form url.Values
	if req.Form != nil {
		if form, err = url.ParseQuery(*req.Form); err == nil {
			err = cr.Route.Inputs.CheckNames(form)
		}
	}
	if err == nil {
		cr.In, err = cr.Route.Inputs.Decode(nil, in, form, nil)
	}
	if err != nil {
		return nil, nil, err
	}
	if since, err = a.ResumeFrom(ctx, c, req.Since); since != nil {
		since.resync = cmp.Or(since.resync, resync)
	}
	return cr, since, err
}

// ScopeOf returns the scope of a console's query.
func ScopeOf(m *record.Model, req *wire.ControlRequest) (query.Scope, error) {
	scope := query.Scope{Model: m, Limit: req.Limit, Offset: req.Offset}
	var err error
	if len(req.Where) > 0 {
		if scope.Where, err = parseWhere(m, m.Fields, req.Where); err != nil {
			return scope, fault.Errorf(fault.BadRequest, "%v", err)
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

// scopeInfo describes a cursor's scope for its client, so that the client can apply its
// own writes before the server does. It returns nil if the client did not ask for it. The
// description has no private field, no value of one, and no id except its user's and the
// ids that the client sent.
func (a *App) scopeInfo(c *Connection, cr *CursorRequest, query *cursor.Query) (*wire.Scope, error) {
	if !cr.scope || cr.Route.Value {
		return nil, nil
	}
	controller, err := c.current().Controller(cr.Route.Controller)
	if err != nil {
		return nil, err
	}
	scope := query.Spec().Scope
	ruled := a.rule(scope.Model, controller) != nil
	out := &wire.Scope{Fields: map[string]string{}, Limit: scope.Limit, Offset: scope.Offset, Rule: ruled || scope.Opaque}
	for _, f := range scope.Model.Fields {
		if !f.Private {
			out.Fields[f.Name] = f.Shape()
		}
	}
	if !scope.Opaque {
		known, err := cr.knownIDs(c.user)
		if err != nil {
			return nil, err
		}
		where, whole := scope.Where.ClientJSON(func(v record.Value) bool {
			_, err := record.ParseID(v.Text())
			return err != nil || strings.Contains(known, v.Text())
		})
		out.Rule = out.Rule || !whole
		if len(where) > 0 {
			if out.Where, err = json.Marshal(where); err != nil {
				return nil, fmt.Errorf("encode the scope of %s: %w", cr.Route.Name, err)
			}
		}
	}
	for _, term := range scope.Order {
		if scope.Opaque || term.Field.Private || term.Field.Shape() == "any" {
			out.Order, out.Ranked = nil, true
			break
		}
		out.Order = append(out.Order, term.String())
	}
	return out, nil
}

// knownIDs returns a text that contains all ids that the client knows, because it sent
// them.
func (cr *CursorRequest) knownIDs(user record.ID) (string, error) {
	in, err := json.Marshal(cr.In)
	if err != nil {
		return "", fmt.Errorf("encode the scope of %s: encode its input: %w", cr.Route.Name, err)
	}
	return string(user) + " " + string(in) + " " + string(cr.Where), nil
}
