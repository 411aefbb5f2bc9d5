package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/server/audit"
	"github.com/towerkit/tower/internal/server/chain"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/requestid"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/server/tracing"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/internal/wire/replica"
)

// Receive handles the frames of one message, in order. The goroutine that reads the
// socket waits meanwhile, so a client that sends faster than it is served waits, too.
func (c *Connection) Receive(message []byte) {
	requests, err := wire.Requests(message)
	if err == nil {
		c.Handle(requests)
	} else if _ = c.admit(c.meter.Malformed()); !c.cut.Load() {
		c.send(refusal(0, fault.Errorf("bad_frame", "%v", err)))
	}
}

// admit returns the error for a frame that is not served, nil for one that is. It ends the
// connection of a client that has to go.
func (c *Connection) admit(verdict limit.Verdict) error {
	if verdict == limit.Serve {
		return nil
	}
	if verdict == limit.End && c.cut.CompareAndSwap(false, true) {
		c.disconnect(outbox.ClosePolicy, c.meter.Reason())
	}
	c.app.meter.Limit("frames")
	return &fault.Error{Code: fault.TooMany, Limit: "frames", Message: c.meter.Reason(), Wait: time.Second}
}

// count counts a frame, and returns an error if it is not served.
func (c *Connection) count(req *wire.Request) error {
	switch {
	case req.Err != nil:
		_ = c.admit(c.meter.Malformed())
		return fault.Errorf("bad_frame", "the frame cannot be read: %v", req.Err)
	case req.Applied != 0 && c.owed.Load() > 0:
		c.owed.Add(-1)
		return nil
	}
	return c.Count()
}

// Handle handles requests in order. Calls must not overlap.
func (c *Connection) Handle(requests []wire.Request) {
	if len(requests) > 1 { // send their answers as one message, too
		c.outbox.Collect()
		defer c.outbox.Flush()
	}
	for i := range requests {
		req := &requests[i]
		err := c.count(req)
		switch {
		case c.cut.Load() || c.hasLeft():
			return
		case err != nil:
			c.send(refusal(req.ID, err))
		case req.Applied != 0:
			c.app.inspector.acknowledge(c, req.From, req.Applied)
			c.app.traces.Applied(cmp.Or(req.From, req.Applied), req.Applied, c.number, c.outbox.Transport.Name())
		default:
			if req.Call != "" { // it may take a while
				c.outbox.Flush()
			}
			c.handle(req)
		}
	}
}

// refusal returns the answer to a request that failed.
func refusal(id uint64, err error) *wire.Answer {
	coded := fault.As(err)
	return &wire.Answer{ID: id, Status: coded.Status(), Error: coded.Wire()}
}

// handle handles one request and sends its answer.
func (c *Connection) handle(req *wire.Request) {
	ctx := c.app.ctx
	if !req.Ping {
		ctx = requestid.With(ctx, requestid.New())
	}
	var err error
	var status int
	ctx, end := c.startSpan(ctx, req)
	defer func() { end(tracing.Span{Failed: status >= 500}) }()
	switch session := c.current(); {
	case req.Hello != 0:
		err = c.hello(ctx, req)
	case req.Ping:
		c.send(&wire.Answer{ID: req.ID, Status: http.StatusOK})
	case session == nil:
		err = fault.Errorf(fault.BadRequest, `the first frame must be {"hello":%d}`, wire.Version)
	case req.Open != "" || req.Live != "":
		err = c.handleOpen(ctx, req)
	case req.Close != 0:
		if err = c.closeCursor(req.Close); err == nil {
			c.send(&wire.Answer{ID: req.ID, Status: http.StatusOK})
		}
	case req.Audit != 0:
		c.audit(session, req)
	case req.Call != "":
		var note *chain.Note
		if c.app.access != nil {
			note = &chain.Note{}
		}
		began := time.Now()
		answer := c.handleCall(ctx, session, req, note)
		c.send(answer)
		status = answer.Status
		if note != nil {
			c.logCall(ctx, began, req, note, answer)
		}
		c.leaveIfOver()
	default:
		err = fault.Errorf("bad_frame", "a frame is one of hello, ping, open, live, close, call, applied and audit")
	}
	if c.endIfBehind(err) {
		return
	}
	if err != nil {
		coded := c.app.Report(ctx, "request", err)
		status = coded.Status()
		c.send(refusal(req.ID, coded))
	}
}

// endIfBehind ends the connection of a client that has commits which this node lacks: it
// keeps what it has, and connects again, perhaps to another node.
func (c *Connection) endIfBehind(err error) bool {
	var lag *lagError
	if !errors.As(err, &lag) || c.outbox.Transport == nil || c.outbox.Transport.Name() == "read" {
		return false
	}
	c.disconnect(outbox.CloseBehind, "this node lacks commits that you have; connect again")
	return true
}

// startSpan begins the span of a frame that calls an action or opens a cursor.
func (c *Connection) startSpan(ctx context.Context, req *wire.Request) (context.Context, func(tracing.Span)) {
	a := c.app
	if a.traces.Tracer == nil || req.Call == "" && req.Open == "" && req.Live == "" {
		return ctx, func(tracing.Span) {}
	}
	name := "open"
	if req.Call != "" {
		name = "call"
		method, path, _ := strings.Cut(req.Call, " ")
		if rt, _, err := a.router.Find(method, path); err == nil {
			name = rt.Pattern()
		}
	} else if a.router.Cursors[req.Open] != nil {
		name = "open " + req.Open
	}
	return a.traces.Start(ctx, tracing.Span{Name: name, Entry: true, Attrs: []slog.Attr{slog.String("rpc.system", "tower"), slog.String("rpc.method", name),
		slog.Uint64(tracing.Connection, c.number), slog.String(tracing.Transport, c.outbox.Transport.Name()), slog.String(tracing.RequestID, requestid.Of(ctx))}})
}

// handleCall runs the action that a frame names and returns the answer. The frames of
// the commits that the call made have been queued by then. The note, unless it is nil, is
// for the access log.
func (c *Connection) handleCall(ctx context.Context, s *Session, req *wire.Request, note *chain.Note) *wire.Answer {
	method, path, _ := strings.Cut(req.Call, " ")
	rt, values, err := c.app.router.Find(method, path)
	if err == nil && rt.Kind != route.KindAction {
		err = fault.Errorf(fault.BadRequest, "%s is a %s; load it over HTTP", req.Call, rt.Kind)
	}
	var form url.Values
	if err == nil && req.Form != nil {
		if form, err = url.ParseQuery(*req.Form); err != nil {
			err = fault.Errorf(fault.BadRequest, "the form cannot be read: %v", err)
		}
	}
	if err == nil && rt.MaxBody > 0 && inputSize(req) > rt.MaxBody {
		err = &http.MaxBytesError{Limit: rt.MaxBody}
	}
	if err != nil {
		return refusal(req.ID, err)
	}
	if note != nil {
		note.Path = loggedPath(path, rt, values)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(rt.Timeout, c.app.config.Limits.Timeout))
	defer cancel()
	result, err := c.app.Serve(ctx, s, &CallRequest{Route: rt, Path: values, Body: req.In, form: form, key: req.Key, counts: true, note: note})
	if err != nil {
		return c.app.refusedCall(req, c.app.Report(ctx, "request", err))
	}
	c.answered(len(result.Out))
	seq := max(result.Seq, c.seq.Load())
	if c.endedBefore(seq) {
		seq = c.last.Load()
	}
	answer := &wire.Answer{ID: req.ID, Status: result.Status, Out: result.Out, Repeated: result.repeated, At: wire.Position(c.app.store.Epoch(), seq)}
	if req.Form != nil || result.given != nil {
		answer.Location = result.Location
	}
	ticket := session.Ticket{Cookies: result.Cookies, Seq: result.Seq}
	if result.SignIn != nil {
		fresh, err := c.signIn(ctx, *result.SignIn)
		if err != nil {
			return refusal(req.ID, c.app.Report(ctx, "request", err))
		}
		ticket.Session = &fresh
		if result.SignIn.User != "" && req.Form != nil {
			answer.Location = cmp.Or(c.app.returnPath(form), answer.Location)
		}
	}
	if ticket.Session != nil || len(ticket.Cookies) > 0 {
		if answer.Session, err = c.app.sessions.Issue(ticket); err != nil {
			return refusal(req.ID, c.app.Report(ctx, "request", err))
		}
	}
	return answer
}

// audit lets the auditor compare what the client says that it holds of a cursor.
func (c *Connection) audit(s *Session, req *wire.Request) {
	a := c.app
	if a.auditor == nil || c.meter == nil {
		return
	}
	// If nothing was sent to the client since, it holds the same after every commit that has
	// been delivered. The order matters: a frame that is queued meanwhile raises c.seq.
	seq, delivered := req.Seq, a.engine.Seq()
	if c.seq.Load() <= seq {
		seq = max(seq, delivered)
	}
	c.mu.Lock()
	at := slices.IndexFunc(c.open, func(oc *OpenCursor) bool { return oc.query.PublicNumber() == req.Audit })
	if at < 0 || c.session != s || seq > a.store.Seq() {
		c.mu.Unlock()
		return // it has been closed or moved meanwhile
	}
	oc, key := c.open[at], c.open[at].query.Spec().Scope.Key()
	c.mu.Unlock()
	cr := oc.Request
	in, err := json.Marshal(cr.In)
	if err != nil {
		return
	}
	a.auditor.Submit(&audit.Claim{Party: c.party, User: c.user, Seq: seq, Held: replica.Sum{All: req.Sum, Rows: req.Rows[:min(len(req.Rows), replica.MaxRows)]}, Page: cr.partial != "",
		Since: oc.opened, Opened: audit.Opening{Cursor: cr.Route.Name, In: in, Where: cr.Where, Order: cr.Order, Limit: int(cr.Limit)},
		Spec: func(ctx context.Context) (cursor.Spec, error) {
			spec, _, err := s.spec(atSeq(ctx, seq), &follower{}, cr)
			if err != nil || c.settled.Load() > seq || spec.Scope.Key() != key {
				return spec, audit.ErrMoved
			}
			return spec, nil
		},
		Followed: func(ctx context.Context) []query.Scope {
			own, ofCursor := &follower{}, &follower{}
			shadow := &Connection{app: a, number: c.number, user: c.user, login: c.login, remote: c.remote, since: c.since, kept: c.kept}
			if fresh := shadow.connect(atSeq(ctx, seq), own); fresh.err == nil {
				_, _, _ = fresh.spec(atSeq(ctx, seq), ofCursor, cr)
			}
			return slices.Concat(own.recorded, ofCursor.recorded)
		},
	})
}

// inputSize returns how many bytes the input of a call has.
func inputSize(req *wire.Request) int64 {
	size := len(req.In)
	if req.Form != nil {
		size += len(*req.Form)
	}
	return int64(size)
}

// handleOpen opens a cursor and sends the answer.
func (c *Connection) handleOpen(ctx context.Context, req *wire.Request) error {
	ctx, cancel := context.WithTimeout(ctx, c.app.config.Limits.Timeout)
	defer cancel()
	c.mu.Lock()
	count := len(c.open) + len(c.regions)
	c.mu.Unlock()
	if count >= c.app.config.Limits.MaxCursors {
		return &fault.Error{Code: fault.TooMany, Limit: "cursors", Message: fmt.Sprintf("%d cursors are open on this connection; close one", count)}
	}
	if region, err := c.app.sessions.OpenList(req.Live); req.Live != "" && err == nil && region.Cursor == "" {
		return c.openRegion(ctx, req, region)
	}
	cr, since, err := c.app.CursorRequest(ctx, c, req)
	if err != nil {
		return err
	}
	return c.OpenCursor(ctx, cr, since, func(o cursor.Opened) (any, error) {
		return c.app.AnswerOpen(c, cr, req, since, o)
	})
}
