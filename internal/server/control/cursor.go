package control

import (
	"context"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// A stream is a connection that a console opens for one cursor: a declared cursor, as a
// user, or a query that the console wrote. The frames that a browser would get travel
// as events. A console that does not keep up gets fewer, merged frames, as a browser
// does. A stream is the transport of its connection.
type stream struct {
	number   uint64
	conn     *server.Connection
	messages chan []byte // holds at most one: the outbox sends one at a time
	ending   chan wire.StreamClosed
	closed   chan struct{} // closed after the last event
}

// Name returns "console".
func (s *stream) Name() string { return "console" }

// Send queues the next message.
func (s *stream) Send(message []byte) { s.messages <- message }

// End ends the stream. It does not wait.
func (s *stream) End(code int, reason string) {
	select {
	case s.ending <- wire.StreamClosed{Code: code, Reason: reason}:
	default: // it is ending already
	}
}

// openStream opens a stream. Its first frame is a hello, and the second one the answer
// to opening the cursor.
func (c *console) openStream(ctx context.Context, req *wire.ControlRequest) error {
	if most := c.app.Config().Limits.MaxCursors; len(c.streams) >= most {
		return fault.Errorf(fault.TooMany, "%d streams are open; close one", most)
	}
	if c.streams[req.Stream] != nil {
		return fault.Errorf(fault.BadRequest, "stream %d is already open", req.Stream)
	}
	s := &stream{number: req.Stream, messages: make(chan []byte, 1), ending: make(chan wire.StreamClosed, 1), closed: make(chan struct{})}
	s.conn = c.app.ConnectConsole(server.ConsoleConnection{User: record.ID(req.As), Remote: c.by, Transport: s})
	if err := c.app.Join(s.conn); err != nil {
		return err
	}
	if err := c.openStreamCursor(ctx, s, req); err != nil {
		c.app.Leave(s.conn)
		return err
	}
	c.streams[s.number] = s
	c.app.Announce(s.conn)
	c.opened = append(c.opened, s)
	return nil
}

// startStreams starts the opened streams, after the reply to their requests.
func (c *console) startStreams() {
	for _, s := range c.opened {
		c.running.Go(func() { c.run(s) })
	}
	c.opened = nil
}

// openStreamCursor greets the stream's user and opens its cursor.
func (c *console) openStreamCursor(ctx context.Context, s *stream, req *wire.ControlRequest) error {
	if req.As != "" { // the user must exist
		if _, err := c.asUser(ctx, &wire.ControlRequest{As: req.As}, func(context.Context, *server.Session) (any, error) { return nil, nil }); err != nil {
			return err
		}
	}
	if err := s.conn.Greet(ctx); err != nil {
		return err
	}
	open := &wire.Request{ID: req.ID, Open: req.Name, In: req.In, Where: req.Where, Order: req.Order, Limit: req.Limit, Since: req.Since}
	cr, since, err := c.streamRequest(ctx, s.conn, open, req)
	if err != nil {
		return err
	}
	return s.conn.OpenCursor(ctx, cr, since, func(o cursor.Opened) (any, error) {
		return c.app.AnswerOpen(s.conn, cr, open, since, o)
	})
}

// streamRequest returns the cursor that a console opens: a declared cursor or a query.
func (c *console) streamRequest(ctx context.Context, conn *server.Connection, open *wire.Request, req *wire.ControlRequest) (*server.CursorRequest, *server.ResumeFrom, error) {
	if req.Name != "" {
		return c.app.CursorRequest(ctx, conn, open)
	}
	m := c.app.Store().Model(req.Model)
	if m == nil {
		return nil, nil, fault.Errorf(fault.NotFound, "there is no model %q", req.Model)
	}
	scope, err := server.ScopeOf(m, req)
	if err != nil {
		return nil, nil, err
	}
	conn.SetLabel(c.by) // the connection has no user
	since, err := c.app.ResumeFrom(ctx, conn, req.Since)
	return &server.CursorRequest{Route: queryRoute(scope)}, since, err
}

// queryRoute returns the route of a cursor for a console's own query.
func queryRoute(scope query.Scope) *route.Route {
	return &route.Route{Kind: route.KindCursor, Name: scope.String(), Action: "Query",
		Controller: &route.Controller{Name: "console", Type: "Console", Make: func(any) any { return struct{}{} }},
		Spec: func(context.Context, any, any) (cursor.Spec, error) {
			return cursor.Spec{Scope: scope}, nil
		}}
}

// run sends the stream's messages to the console until the stream ends.
func (c *console) run(s *stream) {
	defer close(s.closed)
	defer s.conn.Leave()
	for {
		select {
		case message := <-s.messages:
			if !c.reply(wire.ControlReply{Event: &wire.ControlEvent{Stream: &wire.StreamEvent{Stream: s.number, Frames: message}}}) {
				return // the client knows that the stream is closed
			}
			s.conn.Outbox().Sent()
		case closed := <-s.ending:
			c.reply(wire.ControlReply{Event: &wire.ControlEvent{Stream: &wire.StreamEvent{Stream: s.number, Closed: &closed}}})
			return
		}
	}
}

// closeStream ends a stream and waits until its last event has been sent.
func (c *console) closeStream(number uint64) error {
	s := c.streams[number]
	if s == nil {
		return fault.Errorf(fault.NotFound, "stream %d is not open", number)
	}
	delete(c.streams, number)
	s.End(outbox.CloseNormal, "it was closed")
	<-s.closed
	return nil
}
