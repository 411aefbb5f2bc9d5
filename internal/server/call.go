package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/answer"
	"github.com/towerkit/tower/internal/server/chain"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/server/slow"
	"github.com/towerkit/tower/internal/server/tracing"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A CallRequest is a call of a route that a client sent. What a key promises is in the
// comment of tower.Action.
type CallRequest struct {
	Route  *route.Route
	Path   url.Values // the fields in the path
	Body   json.RawMessage
	form   url.Values // the input of a form; Body is nil then
	key    string     // the idempotency key; "": none
	counts bool       // by the rates of the route: a client sent it
	http   bool       // the answer is an HTTP response, which can carry a file

	note *chain.Note // receives what the call did; nil: nobody asks
	made uint64      // the last commit that it has made, also if it failed
}

// A callResult is the answer to a call.
type callResult struct {
	*call
	Status   int
	Out      json.RawMessage
	Location string
	given    *answer.Answer // an answer that is not JSON; nil: none
	repeated bool           // an earlier run of the call made this answer
}

// A call is the state of a call while its action runs. The context of the action
// carries it.
type call struct {
	conn    *Connection // that runs it
	route   *route.Route
	Seq     uint64         // the last commit that it made
	created bool           // it created a record
	changes []store.Change // the first of its changes
	changed int            // how many there are
	SignIn  *session.Start // who the client becomes; nil: unchanged
	Cookies []string       // of the application, as values of the header Set-Cookie
	secret  bool           // its answer holds what nobody may store

	attempt *store.Attempt // this run of a call with a key; nil: no key
	applied *store.Applied // an earlier run that took effect; nil: none
}

type callKey struct{}

// callOf returns the call that an action's context belongs to, nil if there is none.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// recordCommit notes a commit of the call.
func (c *call) recordCommit(commit store.Commit) {
	c.Seq = max(c.Seq, commit.Seq)
	for _, change := range commit.Changes {
		c.created = c.created || change.Op == store.Create
		if c.changed++; len(c.changes) < maxLoggedChanges {
			c.changes = append(c.changes, change)
		}
	}
}

// Serve runs the action of a call and returns its answer, when every commit of the call
// has been sent to the connections it touches. A call with a key that took effect before
// is not run again: Serve returns its earlier answer.
func (a *App) Serve(ctx context.Context, s *Session, req *CallRequest) (*callResult, error) {
	if a.meter == nil && a.slow == nil && a.traces.Tracer == nil {
		return a.serve(ctx, s, req)
	}
	began := time.Now()
	ctx, end := a.traces.Start(ctx, tracing.Span{Name: req.Route.Controller.Type + "." + req.Route.Action, Began: began})
	result, err := a.serve(ctx, s, req)
	status := 0
	if err != nil {
		status = fault.As(err).Status()
	} else {
		status = result.Status
	}
	a.meter.Action(req.Route.Pattern(), status, time.Since(began))
	a.slow.End(ctx, slow.Action, req.Route.Pattern(), began)
	end(tracing.Span{Failed: status >= 500})
	return result, err
}

func (a *App) serve(ctx context.Context, s *Session, req *CallRequest) (*callResult, error) {
	if req.counts {
		if err := s.Conn.mayBeAnswered(); err != nil {
			return nil, err
		}
	}
	if !s.Conn.login.Permits(req.Route.Name) { // before an earlier answer is repeated
		return nil, s.errNotAllowed(req.Route)
	}
	if err := s.Conn.refuses(req.Route, req.Route.Method); err != nil {
		return nil, err
	}
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
		return a.repeatAnswer(ctx, once, applied)
	}
	return a.perform(ctx, s, req, once)
}

// perform runs a call once. It saves the answer of a call with a key.
func (a *App) perform(ctx context.Context, s *Session, req *CallRequest, once *store.Attempt) (*callResult, error) {
	if req.counts {
		if err := a.admit(s.Conn, req.Route); err != nil {
			return nil, err
		}
	}
	result := &callResult{call: &call{conn: s.Conn, route: req.Route, attempt: once}, Status: http.StatusOK}
	err := a.runAction(context.WithValue(ctx, callKey{}, result.call), s, req, result)
	result.describe(req.note)
	req.made = result.Seq
	if result.applied != nil {
		return a.repeatAnswer(ctx, once, result.applied)
	}
	if once != nil && result.Seq > 0 && !result.secret {
		a.saveAnswer(result, err)
	}
	if err != nil {
		return nil, err
	}
	return result, a.engine.Wait(ctx, result.Seq)
}

// admit counts a request to a route, and returns an error if its client has sent too many.
func (a *App) admit(c *Connection, rt *route.Route) error {
	if rt.Rates == nil {
		return nil
	}
	return a.rates.Take(rt.Pattern(), rt.Rates, limit.PartyOf(string(c.user), c.remote))
}

// runAction decodes the input, runs the action and fills in the result.
func (a *App) runAction(ctx context.Context, s *Session, req *CallRequest, result *callResult) error {
	rt := req.Route
	value, err := s.run(ctx, rt, req.Path, req.Body, req.form)
	if err != nil {
		return err
	}
	if given := answer.Of(value); given != nil {
		return result.give(rt, given, req.http)
	}
	if result.Out, err = a.encode(value); err != nil {
		return fmt.Errorf("%s: encode its output: %w", rt.Pattern(), err)
	}
	if result.created {
		result.Status = http.StatusCreated
	}
	if path, said := thenPath(req.form); said {
		result.Location = path
	} else if rt.Then != "" {
		if result.Location, err = route.Fill(rt.Then, result.Out, req.Path); err != nil {
			return fmt.Errorf("%s: %w", rt.Pattern(), err)
		}
	}
	return nil
}

// give makes the result of an answer that is not JSON.
func (r *callResult) give(rt *route.Route, given *answer.Answer, overHTTP bool) (err error) {
	if given.IsFile() && !overHTTP {
		given.Close()
		return fault.Errorf(fault.BadRequest, "%s answers with a file; request it over HTTP", rt.Pattern())
	}
	if err := checkAnswer(rt, given); err != nil {
		return err
	}
	if given, err = r.takeCookies(given); err != nil {
		return fmt.Errorf("%s: its answer: %w", rt.Pattern(), err)
	}
	r.given, r.Status, r.Location = given, given.Code(), given.Location
	r.Out, err = json.Marshal(given.Out())
	return err
}

// author returns the author of the call's commits.
func (c *call) author() string {
	if c.conn.by != "" {
		return c.conn.by + " as " + c.conn.Label()
	}
	return c.route.Pattern() + " by " + c.conn.Label()
}

// encode encodes an action's output as JSON. It omits the private fields of a record.
func (a *App) encode(out any) (json.RawMessage, error) {
	if out == nil {
		return json.RawMessage("null"), nil
	}
	for _, m := range a.config.Models {
		if m.HasPrivate() && m.Is(reflect.TypeOf(out)) {
			return m.Public(out)
		}
	}
	if m := a.private.Within(out); m != nil {
		return nil, fmt.Errorf("a %T holds a %s, which has private fields; return only the fields that clients may see", out, m.Type)
	}
	return json.Marshal(out)
}

// push runs an action for this connection and sends the result to its client.
func (c *Connection) push(ctx context.Context, s *Session, rt *route.Route, path url.Values, body json.RawMessage) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(rt.Timeout, c.app.config.Limits.Timeout))
	defer cancel()
	push := wire.Push{Push: rt.Pattern(), Status: http.StatusOK}
	result, err := c.app.Serve(ctx, s, &CallRequest{Route: rt, Path: path, Body: body})
	if err != nil {
		coded := c.app.Report(ctx, "request", err)
		push.Status, push.Error = coded.Status(), coded.Wire()
	} else {
		push.Status, push.Out = result.Status, result.Out
	}
	c.send(push)
	c.leaveIfOver()
}

// Handle runs an action for every connection, one after another, with the connection's
// own controller and user, and sends each result to that client. It returns the number
// of connections that ran it. It skips connections whose user may not use the action,
// and does nothing if ctx belongs to a console's transaction. Other nodes do the same when
// they have all commits up to now; it does not wait for them, and does not count their
// connections.
func (a *App) Handle(ctx context.Context, request Request) (int, error) {
	h := handle{Node: a.handles.node, Method: request.Method, Path: request.Path}
	rt, path, err := a.findHandled(&h)
	if err == nil && request.In != nil {
		h.In, err = json.Marshal(request.In)
	}
	if err != nil {
		return 0, fmt.Errorf("handle: %w", err)
	}
	if _, uncommitted := ctx.Value(dbKey{}).(DB); uncommitted {
		return 0, nil
	}
	if a.store.SharesLog() {
		if err := a.announceHandle(&h); err != nil {
			return 0, fmt.Errorf("handle: %w", err)
		}
	}
	return a.handle(ctx, rt, path, h.In)
}

// A Request names an action and its input for [App.Handle].
type Request struct {
	Method, Path string
	In           any // encoded as JSON; nil for none
}

// findHandled returns the action that a node handles.
func (a *App) findHandled(h *handle) (*route.Route, url.Values, error) {
	rt, path, err := a.router.Find(h.Method, h.Path)
	if err == nil && rt.Kind != route.KindAction {
		err = fault.Errorf(fault.BadRequest, "%s %s is a %s; only actions can be handled", h.Method, h.Path, rt.Kind)
	}
	return rt, path, err
}

// handle runs an action for every connection of this node.
func (a *App) handle(ctx context.Context, rt *route.Route, path url.Values, body json.RawMessage) (handled int, err error) {
	for _, c := range a.hub.all() {
		if ctx.Err() != nil {
			return handled, ctx.Err()
		}
		if s := c.current(); s != nil && s.admits(rt, rt.Method) == nil {
			c.push(ctx, s, rt, path, body)
			handled++
		}
	}
	return handled, nil
}

// A handle is what one node asks the others to handle. It is the text of a mark, so that it
// reaches each of them once, after the commits before it.
type handle struct {
	Node   string          `json:"node"` // that asks
	Method string          `json:"method"`
	Path   string          `json:"path"`
	In     json.RawMessage `json:"in,omitempty"`
}

const (
	handlePrefix = "handle/"
	handleAge    = time.Minute // how long it is kept; nodes read it with its commit
)

// handles are those that other nodes have asked for and that wait. They run one after another.
type handles struct {
	node string

	mu      sync.Mutex
	waiting []handle
	wake    chan struct{}
}

func newHandles() handles {
	return handles{node: string(record.NewID()), wake: make(chan struct{}, 1)}
}

func (a *App) announceHandle(h *handle) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return a.store.SetMark(handlePrefix+string(record.NewID()), time.Now().Add(handleAge), func([]byte) []byte { return text })
}

// handleByCommit queues what a commit of another node asks for.
func (a *App) handleByCommit(commit store.Commit) {
	for i := range commit.Changes {
		name, text := store.ChangedMark(&commit.Changes[i])
		var h handle
		if !strings.HasPrefix(name, handlePrefix) || json.Unmarshal(text, &h) != nil || h.Node == a.handles.node {
			continue
		}
		a.handles.mu.Lock()
		a.handles.waiting = append(a.handles.waiting, h)
		a.handles.mu.Unlock()
		select {
		case a.handles.wake <- struct{}{}:
		default:
		}
	}
}

// runHandles handles what other nodes have asked for, until the application closes.
func (a *App) runHandles() {
	for {
		select {
		case <-a.handles.wake:
		case <-a.ctx.Done():
			return
		}
		a.handles.mu.Lock()
		waiting := a.handles.waiting
		a.handles.waiting = nil
		a.handles.mu.Unlock()
		for i := range waiting {
			h := &waiting[i]
			rt, path, err := a.findHandled(h)
			if err == nil {
				_, err = a.handle(a.ctx, rt, path, h.In)
			}
			if err != nil && a.ctx.Err() == nil { // of another build, which has other routes
				a.log.Warn("handle for another node", "request", h.Method+" "+h.Path, "error", err)
			}
		}
	}
}
