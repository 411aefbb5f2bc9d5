package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// attempt begins a run of the call, nil without a key.
func (in *CallRequest) attempt(user record.ID) (*store.Attempt, error) {
	if in.key == "" {
		return nil, nil
	}
	key, err := record.ParseID(in.key)
	if err != nil {
		return nil, fault.Errorf(fault.BadRequest, "%q is no key of a call; a ULID like 01JDA7Q4Z3M8X2V6K9T5B1C0RW is one", in.key)
	}
	return store.NewAttempt(string(user), key, []byte(in.Route.Pattern()), []byte(in.Path.Encode()), in.Body, []byte(in.form.Encode()))
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
	kept := outcome{Seq: done.Seq, Status: done.Status, Out: done.Out, Location: done.Location, SignIn: done.SignIn}
	if err != nil {
		coded := fault.As(err)
		if coded.Code == fault.Unavailable {
			return
		}
		kept = outcome{Seq: done.Seq, Error: coded.Wire()}
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
		return nil, fault.FromWire(kept.Error)
	}
	done := &callResult{call: &call{Seq: kept.Seq, SignIn: kept.SignIn}, Status: kept.Status, Out: kept.Out, Location: kept.Location, repeated: true}
	return done, a.engine.Wait(ctx, done.Seq)
}

// noteApplied keeps that a transaction of the call came after another run of it.
func (c *call) noteApplied(err error) {
	var applied *store.AppliedError
	if errors.As(err, &applied) {
		c.applied = &applied.Applied
	}
}
