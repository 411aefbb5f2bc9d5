package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/towerkit/tower/internal/server/answer"
	"github.com/towerkit/tower/internal/server/chain"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
)

// serveHandler lets the method of a handler answer a request. What the method commits is
// sent to the connections it touches before the first byte of the answer.
func (a *App) serveHandler(ctx context.Context, w http.ResponseWriter, r *http.Request, s *Session, rt *route.Route, values url.Values) error {
	if err := a.admit(s.Conn, rt); err != nil {
		return err
	}
	if err := s.admits(rt, r.Method); err != nil {
		return err
	}
	controller, err := s.Controller(rt.Controller)
	if err != nil {
		return err
	}
	x := chain.From(ctx)
	if x == nil {
		return errors.New("middleware of Config.Wrap has replaced the context of the request; derive one from it instead")
	}
	h := &handling{Context: ctx, serving: serving{s, rt.Controller, rt}, call: call{conn: s.Conn, route: rt}, exchange: x}
	defer h.call.describe(x.Note())
	req := r.WithContext(h)
	for name := range values {
		req.SetPathValue(name, values.Get(name))
	}
	req.Body = http.MaxBytesReader(w, r.Body, cmp.Or(rt.MaxBody, a.config.Limits.MaxBody))
	x.BeforeFirstByte(h)
	if err := h.serve(controller, w, req); err != nil {
		x.Abort(err)
		return nil
	}
	x.Prepare()
	_ = a.engine.Wait(ctx, h.call.Seq) // for what it committed after its first byte
	return nil
}

// A handling is a request to a handler, and the context of it.
type handling struct {
	context.Context
	serving  serving
	call     call
	exchange *chain.Exchange
}

// Value returns the state of the call and of the session, and else the value of the
// request's context.
func (h *handling) Value(key any) any {
	switch key {
	case callKey{}:
		return &h.call
	case servingKey{}:
		return &h.serving
	}
	return h.Context.Value(key)
}

// serve calls the application's method.
func (h *handling) serve(controller any, w http.ResponseWriter, r *http.Request) (err error) {
	rt := h.serving.route
	defer func() {
		if problem := recover(); problem != nil {
			err = fault.Panicked(rt.Controller.Type+"."+rt.Action, problem)
		}
	}()
	return rt.Serve(controller, w, r)
}

// Prepare sends what the handler has committed to the connections it touches, gives the client
// its cookies, and signs it in.
func (h *handling) Prepare() {
	c := h.serving.session.Conn
	_ = c.app.engine.Wait(h.Context, h.call.Seq) // it fails if the context ends, and then nobody waits for the answer
	addCookies(h.exchange, h.call.Cookies)
	c.app.setCommit(h.exchange, c.from, h.call.Seq)
	if h.call.SignIn == nil {
		return
	}
	if err := c.setCookie(c.from.Context(), h.exchange, c.app.secure(c.from), *h.call.SignIn); err != nil {
		c.app.Report(h, "request", err)
	}
}

// checkAnswer returns an error if an answer cannot be given. A redirect to another site is
// the client's mistake, because a client may name the path.
func checkAnswer(rt *route.Route, given *answer.Answer) error {
	err := given.Check()
	if err == nil {
		return nil
	}
	given.Close()
	if errors.Is(err, answer.ErrNotLocal) {
		return &fault.Error{Code: fault.BadRequest, Message: err.Error(), Err: err}
	}
	return fmt.Errorf("%s: its answer: %w", rt.Pattern(), err)
}

// send writes an answer that is not JSON. An error after it has begun breaks the
// connection off.
func (a *App) send(w http.ResponseWriter, r *http.Request, given *answer.Answer) {
	err := fault.Recover(r.Method+" "+r.URL.Path, func() error { return given.Serve(w, r) })
	if err != nil {
		chain.From(r.Context()).Abort(err)
	}
}
