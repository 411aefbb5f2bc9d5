package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/answer"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// attempt returns this run of the call for the store, nil if the call has no key.
func (req *CallRequest) attempt(user record.ID) (*store.Attempt, error) {
	if req.key == "" {
		return nil, nil
	}
	key, err := record.ParseID(req.key)
	if err != nil {
		return nil, fault.Errorf(fault.BadRequest, "%q is not a valid key; use a new ULID for each call, such as %s", req.key, record.NewID()) // an example is copied
	}
	return store.NewAttempt(string(user), key, []byte(req.Route.Pattern()), []byte(req.Path.Encode()), req.Body, []byte(req.form.Encode()))
}

// attempts holds the calls with a key that run now. It runs calls with one key one after
// another.
type attempts struct {
	mu      sync.Mutex
	running map[string]chan struct{} // by key; closed when the run has ended
}

// begin waits until no call with the key runs, or ctx ends. The caller must call end
// after its run.
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

// A savedAnswer is the answer to a call in its stored form.
type savedAnswer struct {
	Seq      uint64          `json:"seq"` // the call's last commit
	Status   int             `json:"status,omitempty"`
	Out      json.RawMessage `json:"out,omitempty"`
	Location string          `json:"location,omitempty"`
	Given    *answer.Answer  `json:"given,omitempty"`
	SignIn   *session.Start  `json:"signIn,omitempty"`
	Cookies  string          `json:"cookies,omitempty"` // sealed
	Error    *wire.Error     `json:"error,omitempty"`
}

// saveAnswer saves the answer of a run that committed something. It saves none for a run
// that was cut short, because its outcome is unknown.
func (a *App) saveAnswer(result *callResult, err error) {
	if err != nil && fault.As(err).Code == fault.Unavailable {
		return
	}
	if data, err := a.encodeAnswer(result, err); err != nil {
		a.log.Error("save an answer", "call", result.author(), "error", err)
	} else {
		a.store.SaveAnswer(result.attempt, data)
	}
}

func (a *App) encodeAnswer(result *callResult, failed error) ([]byte, error) {
	if failed != nil {
		return json.Marshal(savedAnswer{Seq: result.Seq, Error: fault.As(failed).Wire()})
	}
	saved := savedAnswer{Seq: result.Seq, Status: result.Status, Out: result.Out, Location: result.Location, SignIn: result.SignIn}
	if result.given != nil && !result.given.IsFile() {
		saved.Given = result.given
	}
	if len(result.Cookies) > 0 {
		sealed, err := a.sessions.SealCookies(result.Cookies)
		if err != nil {
			return nil, err
		}
		saved.Cookies = sealed
	}
	return json.Marshal(saved)
}

// How long a call waits for the answer of its run on another node, from the commit of that
// run on. After that the node has probably died before it could save the answer.
const (
	maxAnswerWait = 10 * time.Second
	answerLook    = 50 * time.Millisecond
)

// awaitAnswer waits for the answer of a call that took effect on another node, where it may
// still run.
func (a *App) awaitAnswer(ctx context.Context, once *store.Attempt, applied *store.Applied) (*store.Applied, error) {
	if err := a.engine.Wait(ctx, applied.Seq); err != nil { // the file may know it before the feed
		return nil, err
	}
	look := time.NewTicker(answerLook)
	defer look.Stop()
	for began := time.Now(); a.store.SharesLog() && applied.Answer == nil && time.Since(began) < maxAnswerWait; {
		if made := a.store.After(applied.Seq - 1); made.IsZero() || time.Since(made) > maxAnswerWait {
			break
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		now, err := a.store.Applied(once)
		if err != nil {
			return nil, err
		}
		if now != nil {
			applied = now
		}
	}
	return applied, nil
}

// repeatAnswer returns the earlier answer of a call that took effect before.
func (a *App) repeatAnswer(ctx context.Context, once *store.Attempt, applied *store.Applied) (*callResult, error) {
	applied, err := a.awaitAnswer(ctx, once, applied)
	if err != nil {
		return nil, err
	}
	saved := savedAnswer{Seq: applied.Seq, Status: http.StatusOK, Out: json.RawMessage("null")}
	if applied.Answer != nil {
		if err := json.Unmarshal(applied.Answer, &saved); err != nil {
			return nil, err
		}
	}
	if saved.Error != nil {
		return nil, fault.FromWire(saved.Error)
	}
	cookies, _ := a.sessions.OpenCookies(saved.Cookies) // none, if the key has been replaced
	result := &callResult{call: &call{Seq: saved.Seq, SignIn: saved.SignIn, Cookies: cookies}, Status: saved.Status, Out: saved.Out, Location: saved.Location, given: saved.Given, repeated: true}
	return result, a.engine.Wait(ctx, result.Seq)
}

// recordApplied notes an earlier run of the call that a refused transaction found.
func (c *call) recordApplied(err error) {
	var applied *store.AppliedError
	if errors.As(err, &applied) {
		c.applied = &applied.Applied
	}
}
