package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
)

// A CallRequest is a call of a route that a client sent. What a key promises is in the
// comment of tower.Action.
type CallRequest struct {
	Route *route.Route
	Path  url.Values // the fields in the path
	Body  json.RawMessage
	form  url.Values // of a form; body is nil then
	key   string     // "": none
}

// callResult is what an action answered.
type callResult struct {
	*call
	Status   int
	Out      json.RawMessage
	Location string
	repeated bool // it was answered before
}

// A call is what is known of the request that is being served.
type call struct {
	by      string     // for the log of commits
	Seq     uint64     // of the last commit that it made
	created bool       // it created a record
	SignIn  *record.ID // who the client shall be

	attempt *store.Attempt // the run of a call with a key, or nil
	applied *store.Applied // another run of it came first
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

func (c *call) note(commit store.Commit) {
	c.Seq = max(c.Seq, commit.Seq)
	for _, change := range commit.Changes {
		c.created = c.created || change.Op == store.Create
	}
}

// serve passes a request through its action, and returns when every open
// connection has been handed what the action committed.
func (a *App) Serve(ctx context.Context, v *Session, in *CallRequest) (*callResult, error) {
	once, err := in.attempt(v.Conn.user)
	if err != nil {
		return nil, err
	}
	if once == nil {
		return a.perform(ctx, v, in, nil)
	}
	end, err := a.attempts.begin(ctx, once.Key())
	if err != nil {
		return nil, err
	}
	defer end()
	if applied, err := a.store.Applied(once); err != nil {
		return nil, err
	} else if applied != nil {
		return a.repeatAnswer(ctx, applied)
	}
	return a.perform(ctx, v, in, once)
}

// perform runs the action of a request.
func (a *App) perform(ctx context.Context, v *Session, in *CallRequest, once *store.Attempt) (*callResult, error) {
	done := &callResult{call: &call{by: v.Conn.author(in.Route), attempt: once}, Status: http.StatusOK}
	err := a.act(context.WithValue(ctx, callKey{}, done.call), v, in, done)
	if done.applied != nil {
		return a.repeatAnswer(ctx, done.applied)
	}
	if once != nil && done.Seq > 0 {
		a.saveAnswer(done, err)
	}
	if err != nil {
		return nil, err
	}
	return done, a.engine.Wait(ctx, done.Seq)
}

// act decodes what was sent, runs the action and says in done what it answers.
func (a *App) act(ctx context.Context, v *Session, in *CallRequest, done *callResult) error {
	rt := in.Route
	input, err := rt.Inputs.Decode(in.Path, in.Body, in.form)
	if err != nil {
		return err
	}
	value, err := v.run(ctx, rt, input)
	if err != nil {
		return err
	}
	if done.Out, err = a.encode(value); err != nil {
		return fmt.Errorf("%s: encode its output: %w", rt.Pattern(), err)
	}
	if done.created {
		done.Status = http.StatusCreated
	}
	if rt.Then != "" {
		if done.Location, err = fill(rt.Then, done.Out, in.Path); err != nil {
			return fmt.Errorf("%s: %w", rt.Pattern(), err)
		}
	}
	return nil
}

// author says who makes the commits of an action that is called.
func (c *Connection) author(rt *route.Route) string {
	if c.by != "" {
		return c.by + " as " + c.Label()
	}
	return rt.Pattern() + " by " + c.Label()
}

// encode encodes an action's output. Records go without their private fields.
func (a *App) encode(out any) (json.RawMessage, error) {
	if out == nil {
		return json.RawMessage("null"), nil
	}
	for _, m := range a.config.Models {
		if m.HasPrivate() && m.Is(reflect.TypeOf(out)) {
			return m.Public(out)
		}
	}
	return json.Marshal(out)
}
