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

// A callRequest is what a client sent to a route. With a key, a ULID that the client
// made for this call alone, the call takes effect once, however often it is sent
// within a day, over whichever connection, also after the server was killed:
//
//   - The key is committed with the effects, in the call's first transaction. A
//     call that has committed something is not run again: who sends it again is
//     given the same answer, also where that was an error.
//   - A call that makes one transaction, as most do, takes effect exactly once. Of
//     one that makes several, a crash between them leaves what was committed by
//     then, and the rest is not made up for: put what belongs together into one
//     transaction. What an action does outside of the store, or with a context
//     that is not the one it was given, is not covered.
//   - A call that has committed nothing, be it refused, invalid or a mere question,
//     is not remembered, and is run again under the same key, also with another
//     input.
//   - Calls with one key at one time run one after another.
//   - The answer is kept a moment after the commit. Where the server was killed in
//     that moment, or the answer was longer than 64 KiB, or an effect was committed
//     after the server had given up waiting, the answer is status 200 with
//     "out":null. Every answer to a call that took effect before says
//     "repeated":true.
//   - Keys belong to their user; all visitors are one. Besides the key, whoever
//     sends a call again must send the same route and input, and the user's rules
//     are not asked again: it is the answer that was meant for this sender. It may
//     sign in, as it did then.
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

func (c *call) recordCommit(commit store.Commit) {
	c.Seq = max(c.Seq, commit.Seq)
	for _, change := range commit.Changes {
		c.created = c.created || change.Op == store.Create
	}
}

// serve passes a request through its action, and returns when every open
// connection has been handed what the action committed.
func (a *App) Serve(ctx context.Context, s *Session, req *CallRequest) (*callResult, error) {
	once, err := req.attempt(s.Conn.user)
	if err != nil {
		return nil, err
	}
	if once == nil {
		return a.perform(ctx, s, req, nil)
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
	return a.perform(ctx, s, req, once)
}

// perform runs the action of a request.
func (a *App) perform(ctx context.Context, s *Session, req *CallRequest, once *store.Attempt) (*callResult, error) {
	result := &callResult{call: &call{by: s.Conn.author(req.Route), attempt: once}, Status: http.StatusOK}
	err := a.runAction(context.WithValue(ctx, callKey{}, result.call), s, req, result)
	if result.applied != nil {
		return a.repeatAnswer(ctx, result.applied)
	}
	if once != nil && result.Seq > 0 {
		a.saveAnswer(result, err)
	}
	if err != nil {
		return nil, err
	}
	return result, a.engine.Wait(ctx, result.Seq)
}

// runAction decodes what was sent, runs the action and says in done what it answers.
func (a *App) runAction(ctx context.Context, s *Session, req *CallRequest, result *callResult) error {
	rt := req.Route
	input, err := rt.Inputs.Decode(req.Path, req.Body, req.form)
	if err != nil {
		return err
	}
	value, err := s.run(ctx, rt, input)
	if err != nil {
		return err
	}
	if result.Out, err = a.encode(value); err != nil {
		return fmt.Errorf("%s: encode its output: %w", rt.Pattern(), err)
	}
	if result.created {
		result.Status = http.StatusCreated
	}
	if rt.Then != "" {
		if result.Location, err = fill(rt.Then, result.Out, req.Path); err != nil {
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
