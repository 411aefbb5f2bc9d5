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
	if !s.Allows(rt) {
		return fault.Errorf(fault.Forbidden, "you may not use %s", rt.Pattern())
	}
	controller, err := s.Controller(rt.Controller)
	if err != nil {
		return err
	}
	state := &call{by: s.Conn.author(rt)}
	defer func() { state.describe(noteOf(ctx)) }()
	req := r.WithContext(context.WithValue(s.serving(ctx, rt), callKey{}, state))
	for name := range values {
		req.SetPathValue(name, values.Get(name))
	}
	req.Body = http.MaxBytesReader(w, r.Body, cmp.Or(rt.MaxBody, a.config.Limits.MaxBody))
	x := chain.From(ctx)
	ready := x.BeforeFirstByte(func() {
		_ = a.engine.Wait(ctx, state.Seq) // it fails if ctx ends, and then nobody waits for the answer
		if state.SignIn == nil {
			return
		}
		if err := s.Conn.setCookie(x, a.secure(r), *state.SignIn); err != nil {
			a.Report("request", err)
		}
	})
	err = fault.Recover(rt.Controller.Type+"."+rt.Action, func() error { return rt.Serve(controller, w, req) })
	if err != nil {
		x.Abort(err)
		return nil
	}
	ready()
	_ = a.engine.Wait(ctx, state.Seq) // for what it committed after its first byte
	return nil
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
