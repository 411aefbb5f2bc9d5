package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/wire"
)

// receive handles the frames of one message, in order, on the goroutine that
// reads this socket: a client that sends faster than it is served waits.
func (c *Connection) receive(message []byte) {
	frames, err := wire.Frames(message)
	if err != nil {
		c.send(refusal(0, Errorf("bad_frame", "%v", err)))
		return
	}
	for _, frame := range frames {
		var req wire.Request
		if err := json.Unmarshal(frame, &req); err != nil {
			c.send(refusal(req.ID, Errorf("bad_frame", "a frame that cannot be read: %v", err)))
			continue
		}
		if req.Applied != 0 {
			c.app.inspector.applied(c, req.From, req.Applied)
			continue
		}
		if !c.limiter.Allow() {
			c.send(refusal(req.ID, Errorf(CodeTooMany, "more than %d frames a second; slow down", c.app.config.MaxRate)))
			continue
		}
		c.handle(&req)
	}
}

// refusal answers a request that failed.
func refusal(id uint64, err error) *wire.Answer {
	coded := AsError(err)
	status := coded.Status()
	if status == 0 {
		status = http.StatusBadRequest
	}
	return &wire.Answer{ID: id, Status: status, Error: coded.wire()}
}

func (c *Connection) handle(req *wire.Request) {
	ctx, cancel := context.WithTimeout(c.app.ctx, c.app.config.Timeout)
	defer cancel()
	var err error
	switch visit := c.current(); {
	case req.Hello != 0:
		err = c.hello(ctx, req)
	case visit == nil:
		err = Errorf(CodeBadRequest, `the first frame must be {"hello":%d}`, wire.Version)
	case req.Open != "" || req.Live != "":
		err = c.handleOpen(ctx, req)
	case req.Close != 0:
		if err = c.closeCursor(req.Close); err == nil {
			c.send(&wire.Answer{ID: req.ID, Status: http.StatusOK})
		}
	case req.Call != "":
		c.send(c.handleCall(ctx, visit, req))
	default:
		err = Errorf("bad_frame", "a frame is one of hello, open, live, close, call and applied")
	}
	if err != nil {
		c.app.report("request", err)
		c.send(refusal(req.ID, err))
	}
}

func (c *Connection) hello(ctx context.Context, req *wire.Request) error {
	if req.Hello != wire.Version {
		c.leave(closeVersion, fmt.Sprintf("%s %d; this server speaks %d", wire.UnsupportedVersion, req.Hello, wire.Version))
		return nil
	}
	if c.current() != nil {
		return Errorf(CodeBadRequest, "hello was said before")
	}
	v, err := c.arrive(ctx)
	if err != nil {
		return err
	}
	hello := wire.Hello{Hello: wire.Version, Epoch: c.app.store.Epoch(), Seq: c.app.engine.Seq(),
		Build: c.app.config.Build, User: string(c.user), Actions: []string{}, Cursors: []string{}}
	for _, route := range c.app.router.routes {
		switch {
		case !v.allows(route):
		case route.Kind == KindAction:
			hello.Actions = append(hello.Actions, route.Pattern())
		case route.Kind == KindCursor:
			hello.Cursors = append(hello.Cursors, route.Name)
		}
	}
	c.mu.Lock()
	c.visit = v
	c.mu.Unlock()
	c.send(hello)
	info := c.info()
	c.app.inspector.tell(wire.ControlEvent{Joined: &info})
	return nil
}

// handleCall passes a frame that names a route through its action. The answer
// comes after the frames of the commits that the call made.
func (c *Connection) handleCall(ctx context.Context, v *visit, req *wire.Request) *wire.Answer {
	method, path, _ := strings.Cut(req.Call, " ")
	route, values, err := c.app.router.Find(method, path)
	if err == nil && route.Kind != KindAction {
		err = Errorf(CodeBadRequest, "%s is a page; load it over HTTP", req.Call)
	}
	var form url.Values
	if err == nil && req.Form != nil {
		if form, err = url.ParseQuery(*req.Form); err != nil {
			err = Errorf(CodeBadRequest, "the form cannot be read: %v", err)
		}
	}
	if err != nil {
		return refusal(req.ID, err)
	}
	done, err := c.app.serve(ctx, v, &sent{route: route, path: values, body: req.In, form: form, key: req.Key})
	if err != nil {
		c.app.report("request", err)
		return refusal(req.ID, err)
	}
	answer := &wire.Answer{ID: req.ID, Status: done.status, Out: done.out, Repeated: done.repeated, At: wire.Position(c.app.store.Epoch(), max(done.seq, c.seq.Load()))}
	if req.Form != nil {
		answer.Location = done.location
	}
	if done.signIn != nil {
		answer.Session = c.app.cookies.ticket(*done.signIn)
	}
	return answer
}

func (c *Connection) handleOpen(ctx context.Context, req *wire.Request) error {
	w, since, err := c.app.wanted(c, req)
	if err != nil {
		return err
	}
	c.mu.Lock()
	count := len(c.open)
	c.mu.Unlock()
	if count >= c.app.config.MaxCursors {
		return Errorf(CodeTooMany, "%d cursors are open on this connection; close one", count)
	}
	return c.openCursor(ctx, w, since, func(o cursor.Opened) (any, error) {
		return c.app.answerOpen(c, w, req, since, o)
	})
}

// wanted reads what a client asks to open, and what it says it holds.
func (a *App) wanted(c *Connection, req *wire.Request) (w *want, since *held, err error) {
	w = &want{where: req.Where, order: req.Order, limit: req.Limit}
	resync := ""
	name, in := req.Open, req.In
	if req.Live != "" {
		var list sealedList
		if list, err = a.cookies.unseal(req.Live); err != nil {
			return nil, nil, Errorf(CodeBadRequest, "this page's list is not known here; reload the page")
		}
		name, in, w.partial = list.Cursor, list.In, list.Partial
		if list.Build != a.config.Build || list.User != c.user {
			resync = "rules"
		}
	}
	if w.route = a.router.cursors[name]; w.route == nil {
		return nil, nil, Errorf(CodeNotFound, "there is no cursor %q", name)
	}
	if w.in, err = w.route.inputs.decode(nil, in, nil); err != nil {
		return nil, nil, err
	}
	if since, err = a.heldBy(c, req.Since); since != nil {
		since.resync = cmp.Or(since.resync, resync)
	}
	return w, since, err
}

// heldBy reads the position up to which a client says it holds a cursor, nil for
// none.
func (a *App) heldBy(c *Connection, position string) (*held, error) {
	if position == "" {
		return nil, nil
	}
	epoch, seq, err := wire.ParsePosition(position)
	if err != nil {
		return nil, Errorf(CodeBadRequest, "since: %v", err)
	}
	since := &held{user: c.user, seq: seq}
	if epoch != a.store.Epoch() || seq > a.store.Seq() {
		since.resync = "epoch"
	}
	return since, nil
}

// answerOpen makes the answer to an open: the records, or what changed of them.
func (a *App) answerOpen(c *Connection, w *want, req *wire.Request, since *held, o cursor.Opened) (*wire.Answer, error) {
	epoch := a.store.Epoch()
	answer := &wire.Answer{ID: req.ID, Status: http.StatusOK, At: wire.Position(epoch, o.Seq),
		Cursor: o.Query.Number(), Model: o.Query.Spec().Scope.Model.Name, Resync: o.Resync}
	if since != nil && since.resync != "" {
		answer.Resync = since.resync
	}
	if w.route.Value {
		answer.Resync, answer.Value = "", valueJSON(&o.Value)
		return answer, nil
	}
	handle := &opened{conn: c, want: w}
	if o.Resumed {
		answer.Since = req.Since
		steps, err := a.steps(handle, o.Delta, nil)
		f := frame{parts: []part{{steps: steps, html: w.partial != "", include: included(o.Included)}}}
		commit := f.commit()
		answer.Delta = commit.Cursors[0]
		if answer.Records = commit.Records; w.partial == "" && answer.Records[answer.Model] == nil {
			answer.Records[answer.Model] = []json.RawMessage{}
		}
		return answer, err
	}
	if w.partial != "" {
		for _, image := range o.Images {
			html, err := a.render(handle, image, nil)
			if err != nil {
				return nil, err
			}
			answer.Items = append(answer.Items, wire.Item{ID: string(image.ID), HTML: html})
		}
		return answer, nil
	}
	answer.IDs, answer.Records = nil, map[string][]json.RawMessage{answer.Model: {}}
	for _, image := range o.Images {
		answer.IDs = append(answer.IDs, string(image.ID))
		answer.Records[answer.Model] = append(answer.Records[answer.Model], image.JSON)
	}
	answer.Include = map[string][]string{}
	for _, in := range o.Included {
		model := in.Model.Name
		answer.Include[model] = []string{}
		for _, image := range in.Images {
			answer.Include[model] = append(answer.Include[model], string(image.ID))
			if model != answer.Model || !slices.Contains(answer.IDs, string(image.ID)) {
				answer.Records[model] = append(answer.Records[model], image.JSON)
			}
		}
	}
	return answer, nil
}
