package control

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"strings"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// asUser runs fn with the session that the user req.As would get by connecting. The
// session reads and writes the state or transaction that the request names.
func (c *console) asUser(ctx context.Context, req *wire.ControlRequest, fn func(context.Context, *server.Session) (any, error)) (any, error) {
	db, err := c.requestDB(req)
	if err != nil {
		return nil, err
	}
	if db == server.DB(c.app) {
		db = nil
	}
	conn := c.app.ConnectConsole(server.ConsoleConnection{User: record.ID(req.As), Remote: "console", By: c.by, DB: db})
	s, ctx, err := conn.OpenSession(ctx)
	if err != nil {
		return nil, err
	}
	return fn(ctx, s)
}

// call runs an action as a frame from a browser would. An error that a client would see
// is part of the result.
func (c *console) call(ctx context.Context, req *wire.ControlRequest) (any, error) {
	called, err := c.tryCall(ctx, req)
	if coded := fault.As(err); err != nil && coded.Code != fault.Internal {
		return wire.Called{Status: coded.Status(), Error: coded.Wire()}, nil
	}
	return called, err
}

func (c *console) tryCall(ctx context.Context, req *wire.ControlRequest) (any, error) {
	method, path, _ := strings.Cut(req.Name, " ")
	rt, values, err := c.app.Router().Find(method, path)
	if err == nil && rt.Kind != route.KindAction {
		err = fault.Errorf(fault.BadRequest, "%s is a %s; request it over HTTP", req.Name, rt.Kind)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(rt.Timeout, c.app.Config().Limits.Timeout))
	defer cancel()
	return c.asUser(ctx, req, func(ctx context.Context, s *server.Session) (any, error) {
		result, err := c.app.Serve(ctx, s, &server.CallRequest{Route: rt, Path: values, Body: req.In})
		if err != nil {
			return nil, err
		}
		return wire.Called{Status: result.Status, Out: result.Out, Location: result.Location, Session: result.SignIn != nil, Seq: result.Seq}, nil
	})
}

// allowed lists the routes that a user may use.
func (c *console) allowed(ctx context.Context, req *wire.ControlRequest) (any, error) {
	return c.asUser(ctx, req, func(_ context.Context, s *server.Session) (any, error) { return c.describeRoutes(s.Allows), nil })
}

// cursorRequest returns the cursor that a request names, with its input.
func (c *console) cursorRequest(req *wire.ControlRequest) (*server.CursorRequest, error) {
	cr := &server.CursorRequest{Route: c.app.Router().Cursors[req.Name], Where: req.Where, Order: req.Order, Limit: int32(min(req.Limit, math.MaxInt32))}
	if cr.Route == nil {
		return nil, fault.Errorf(fault.NotFound, "there is no cursor %q", req.Name)
	}
	if req.Offset != 0 {
		return nil, fault.Errorf(fault.BadRequest, "%s takes no offset", req.Name)
	}
	var err error
	cr.In, err = cr.Route.Inputs.Decode(nil, req.In, nil, nil)
	return cr, err
}

// readAs reads a cursor as a user: its records, their number, its included records of
// one model, or its value.
func (c *console) readAs(ctx context.Context, req *wire.ControlRequest) (any, error) {
	cr, err := c.cursorRequest(req)
	if err != nil {
		return nil, err
	}
	if cr.Route.Value != (req.Do == wire.DoValue) {
		return nil, fault.Errorf(fault.BadRequest, "%s carries %s", req.Name, map[bool]string{true: "a value, not records", false: "records, not a value"}[cr.Route.Value])
	}
	return c.asUser(ctx, req, func(ctx context.Context, s *server.Session) (any, error) {
		spec, err := s.Spec(ctx, cr)
		if err != nil {
			return nil, err
		}
		spec.Allow = c.app.Denying(spec.Allow)
		at := func(read func(*store.Snapshot) error) error { return s.Conn.View(ctx, read) }
		if cr.Route.Value {
			value, err := cursor.ReadValue(at, spec)
			return value.Any(), err
		}
		images, err := c.readImages(at, spec, req)
		if req.Do == wire.DoCount {
			return len(images), err
		}
		records := []json.RawMessage{}
		for _, image := range images {
			records = append(records, image.JSON)
		}
		return records, err
	})
}

// readImages reads the records of a spec, or its included records.
func (c *console) readImages(at func(func(*store.Snapshot) error) error, spec cursor.Spec, req *wire.ControlRequest) ([]*record.Image, error) {
	if req.Do != wire.DoIncluded {
		return cursor.Read(at, spec)
	}
	var names []string
	for i := range spec.Include {
		in := &spec.Include[i]
		in.Allow = c.app.Denying(in.Allow)
		if in.Model.Name == req.Model {
			return cursor.ReadIncluded(at, spec, in.Model)
		}
		names = append(names, in.Model.Name)
	}
	return nil, fault.Errorf(fault.NotFound, "%s includes no %s; it includes %s", req.Name, req.Model, cmp.Or(strings.Join(names, ", "), "nothing"))
}
