package server

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// resumeFrom is what a returning client says it holds. A reason says why it cannot be
// built upon.
type ResumeFrom struct {
	seq    uint64
	user   record.ID
	resync string
}

// resumeFrom reads the position up to which a client says it holds a cursor, nil for
// none.
func (a *App) ResumeFrom(c *Connection, position string) (*ResumeFrom, error) {
	if position == "" {
		return nil, nil
	}
	epoch, seq, err := wire.ParsePosition(position)
	if err != nil {
		return nil, fault.Errorf(fault.BadRequest, "since: %v", err)
	}
	since := &ResumeFrom{user: c.user, seq: seq}
	if epoch != a.store.Epoch() || seq > a.store.Seq() {
		since.resync = "epoch"
	}
	return since, nil
}

// loadResume works out what the client held: the cursor's scope as it was then, for
// who the client was then. Where nothing that Connect followed has changed since,
// that is the visit, if it is still current; else Connect is asked again. Where it
// cannot be known, it notes why, and the client gets everything anew.
func (c *Connection) loadResume(ctx context.Context, s *Session, cr *CursorRequest, since *ResumeFrom) *cursor.Resume {
	same, err := c.app.engine.Untouched(ctx, since.seq, s.follower.scopes()...)
	same = same && !s.follower.isEnded()
	ctx = atSeq(ctx, since.seq)
	if err == nil && !same {
		past := &Connection{app: c.app, number: c.number, user: since.user}
		s = past.connect(ctx, &follower{})
		err = s.err
	}
	if err == nil {
		var spec cursor.Spec
		if spec, _, err = s.spec(ctx, &follower{}, cr); err == nil {
			return &cursor.Resume{Seq: since.seq, Spec: spec, Same: same}
		}
	}
	since.resync = "rules"
	if errors.Is(err, store.ErrExpired) {
		since.resync = "expired"
	}
	return nil
}

// resumeAnswer makes what an opened cursor that is resumed is answered with.
func (a *App) resumeAnswer(oc *OpenCursor, o *cursor.Opened) ([]byte, error) {
	steps, err := a.steps(oc, o.Delta, nil)
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
