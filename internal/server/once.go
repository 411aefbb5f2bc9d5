package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
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
type callRequest struct {
	route *Route
	path  url.Values // the fields in the path
	body  json.RawMessage
	form  url.Values // of a form; body is nil then
	key   string     // "": none
}

// attempt begins a run of the call, nil without a key.
func (in *callRequest) attempt(user record.ID) (*store.Attempt, error) {
	if in.key == "" {
		return nil, nil
	}
	key, err := record.ParseID(in.key)
	if err != nil {
		return nil, Errorf(CodeBadRequest, "%q is no key of a call; a ULID like 01JDA7Q4Z3M8X2V6K9T5B1C0RW is one", in.key)
	}
	return store.NewAttempt(string(user), key, []byte(in.route.Pattern()), []byte(in.path.Encode()), in.body, []byte(in.form.Encode()))
}

// attempts are the calls with a key that are being served.
type attempts struct {
	mu      sync.Mutex
	running map[string]chan struct{} // by key; closed when the run has ended
}

// begin waits until no other run of the call goes on. The function ends the run.
func (r *attempts) begin(ctx context.Context, key string) (end func(), err error) {
	for {
		r.mu.Lock()
		other, busy := r.running[key]
		if !busy {
			ended := make(chan struct{})
			r.running[key] = ended
			r.mu.Unlock()
			return func() {
				r.mu.Lock()
				delete(r.running, key)
				r.mu.Unlock()
				close(ended)
			}, nil
		}
		r.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// An outcome is a call's answer as it is kept.
type outcome struct {
	Seq      uint64          `json:"seq"` // of the call's last commit
	Status   int             `json:"status,omitempty"`
	Out      json.RawMessage `json:"out,omitempty"`
	Location string          `json:"location,omitempty"`
	SignIn   *record.ID      `json:"signIn,omitempty"`
	Error    *wire.Error     `json:"error,omitempty"`
}

// saveAnswer keeps how a run ended that has committed something. Where it was cut
// short, nobody knows how it would have ended.
func (a *App) saveAnswer(done *callResult, err error) {
	kept := outcome{Seq: done.seq, Status: done.status, Out: done.out, Location: done.location, SignIn: done.signIn}
	if err != nil {
		coded := AsError(err)
		if coded.Code == CodeUnavailable {
			return
		}
		kept = outcome{Seq: done.seq, Error: coded.wire()}
	}
	if data, err := json.Marshal(kept); err != nil {
		a.log.Error("keep an answer", "call", done.by, "error", err)
	} else {
		a.store.SaveAnswer(done.attempt, data)
	}
}

// repeatAnswer answers a call that has taken effect before as it was answered then.
func (a *App) repeatAnswer(ctx context.Context, applied *store.Applied) (*callResult, error) {
	kept := outcome{Seq: applied.Seq, Status: http.StatusOK, Out: json.RawMessage("null")}
	if applied.Answer != nil {
		if err := json.Unmarshal(applied.Answer, &kept); err != nil {
			return nil, err
		}
	}
	if kept.Error != nil {
		return nil, errorOf(kept.Error)
	}
	done := &callResult{call: &call{seq: kept.Seq, signIn: kept.SignIn}, status: kept.Status, out: kept.Out, location: kept.Location, repeated: true}
	return done, a.engine.Wait(ctx, done.seq)
}

// serve passes a request through its action, and returns when every open
// connection has been handed what the action committed.
func (a *App) serve(ctx context.Context, v *session, in *callRequest) (*callResult, error) {
	once, err := in.attempt(v.conn.user)
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
func (a *App) perform(ctx context.Context, v *session, in *callRequest, once *store.Attempt) (*callResult, error) {
	done := &callResult{call: &call{by: v.conn.author(in.route), attempt: once}, status: http.StatusOK}
	err := a.act(context.WithValue(ctx, callKey{}, done.call), v, in, done)
	if done.applied != nil {
		return a.repeatAnswer(ctx, done.applied)
	}
	if once != nil && done.seq > 0 {
		a.saveAnswer(done, err)
	}
	if err != nil {
		return nil, err
	}
	return done, a.engine.Wait(ctx, done.seq)
}

// author says who makes the commits of an action that is called.
func (c *Connection) author(route *Route) string {
	if c.by != "" {
		return c.by + " as " + c.Label()
	}
	return route.Pattern() + " by " + c.Label()
}

// noteApplied keeps that a transaction of the call came after another run of it.
func (c *call) noteApplied(err error) {
	var applied *store.AppliedError
	if errors.As(err, &applied) {
		c.applied = &applied.Applied
	}
}
