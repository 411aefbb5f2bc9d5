package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A ResumeFrom is the position that a client resumes a cursor from.
type ResumeFrom struct {
	seq    uint64
	user   record.ID
	resync string // the reason to send everything again; "": none so far
}

// maxReach is how long a client waits that knows a newer commit than this node has.
const maxReach = 5 * time.Second

// A lagError reports that this node lacks a commit that a client knows, and does not get it.
type lagError struct{ err error }

func (e *lagError) Error() string {
	return "this node lacks commits that the client has: " + e.err.Error()
}

// Unwrap returns why.
func (e *lagError) Unwrap() error { return e.err }

// ResumeFrom parses the position that a client resumes a cursor from. It returns nil for
// an empty position. It waits until the store has the commit, if another has made it, and
// returns a [*lagError] if that takes too long.
func (a *App) ResumeFrom(ctx context.Context, c *Connection, position string) (*ResumeFrom, error) {
	if position == "" {
		return nil, nil
	}
	epoch, seq, err := wire.ParsePosition(position)
	if err != nil {
		return nil, fault.Errorf(fault.BadRequest, "since: %v", err)
	}
	since := &ResumeFrom{user: c.user, seq: seq}
	if epoch == a.store.Epoch() {
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(a.pace.Reach, maxReach))
		defer cancel()
		err = a.store.Reach(ctx, seq)
	}
	if epoch != a.store.Epoch() || errors.Is(err, store.ErrNoCommit) {
		since.resync, err = "epoch", nil
	}
	if err != nil {
		return nil, &lagError{err}
	}
	return since, nil
}

// maxOwn is how long a request waits for what its client has written on another node.
const maxOwn = 2 * time.Second

// setCommit tells the other nodes, by a cookie, that a client has made a commit, 0 for none.
func (a *App) setCommit(w http.ResponseWriter, r *http.Request, seq uint64) {
	if seq == 0 || !a.store.SharesLog() || session.HasToken(r) {
		return
	}
	if err := a.sessions.SetCommit(w, a.secure(r), seq); err != nil {
		a.log.Error("cookie of a commit", "error", err)
	}
}

// catchUp waits until this node has what the client of a request has written over HTTP on
// another one, a moment ago. If that takes too long, the request is served without it, and
// the header Tower-Behind and the access log say so.
func (a *App) catchUp(w http.ResponseWriter, r *http.Request) {
	if !a.store.SharesLog() {
		return
	}
	seq := a.sessions.Commit(r, a.secure(r))
	if seq <= a.engine.Seq() {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), cmp.Or(a.pace.Reach, maxOwn))
	defer cancel()
	err := a.store.Reach(ctx, seq)
	if err == nil {
		err = a.engine.Wait(ctx, seq)
	}
	if err == nil {
		return
	}
	w.Header().Set("Tower-Behind", wire.Position(a.store.Epoch(), seq))
	if note := noteOf(r.Context()); note != nil {
		note.Behind = seq
	}
}

// afterOwn serves requests after [App.catchUp].
func (a *App) afterOwn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.catchUp(w, r)
		next.ServeHTTP(w, r)
	})
}

// loadResume returns what the client holds: the cursor's spec at the client's position,
// for the user that the client was then. If nothing that Connect followed has changed
// since and s is still current, it uses s; otherwise it calls Connect as of that
// position. If the spec cannot be determined, it sets since.resync and returns nil, and
// the client receives everything.
func (c *Connection) loadResume(ctx context.Context, s *Session, cr *CursorRequest, since *ResumeFrom) *cursor.Resume {
	f := s.followed()
	same, err := c.app.engine.Untouched(ctx, since.seq, f.scopes()...)
	same = same && !f.isEnded()
	ctx = atSeq(ctx, since.seq)
	if err == nil && !same && cr.perViewer() { // what has not changed may look different
		since.resync = "rules"
		return nil
	}
	if err == nil && !same {
		earlier := &Connection{app: c.app, number: c.number, user: since.user}
		s = earlier.connect(ctx, &follower{})
		err = s.err
	}
	if err == nil {
		var spec cursor.Spec
		if spec, _, err = s.spec(ctx, &follower{}, cr); err == nil {
			return &cursor.Resume{Seq: since.seq, Spec: spec, SameRule: same}
		}
	}
	since.resync = "rules"
	if errors.Is(err, store.ErrExpired) {
		since.resync = "expired"
	}
	return nil
}

// resumeAnswer returns the body of the answer for a cursor that resumes.
func (a *App) resumeAnswer(oc *OpenCursor, o *cursor.Opened) ([]byte, error) {
	steps, _, err := a.steps(oc, o.Deltas, nil)
	if err != nil {
		return nil, err
	}
	html, model := oc.Request.partial != "", o.Query.Spec().Scope.Model.Name
	f := outbox.Frame{Deltas: []outbox.CursorDelta{{Steps: steps, HTML: html, Include: included(o.Included)}}}
	commit := f.Commit()
	if !html && commit.Records[model] == nil {
		commit.Records[model] = []json.RawMessage{}
	}
	return wire.Body(commit.Cursors[0], commit.Records), nil
}

// An answerCache shares encoded answers among clients that resume a query from the same
// position at about the same time. It is safe for concurrent use.
type answerCache struct {
	mu     sync.Mutex
	bodies map[*cursor.Delta][]byte // by the first of the shared deltas
}

const maxCachedAnswers = 64

// get returns the body of the answer to an open, and calls make if it is not cached.
func (c *answerCache) get(o *cursor.Opened, make func() ([]byte, error)) ([]byte, error) {
	if !o.Shared || len(o.Deltas) == 0 {
		return make()
	}
	c.mu.Lock()
	body := c.bodies[&o.Deltas[0]]
	c.mu.Unlock()
	if body != nil {
		return body, nil
	}
	body, err := make()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.bodies) >= maxCachedAnswers || c.bodies == nil {
		c.bodies = map[*cursor.Delta][]byte{}
	}
	c.bodies[&o.Deltas[0]] = body
	return body, nil
}
