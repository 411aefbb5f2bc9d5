package control

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// commitAt returns the commit with the seq in a request.
func (c *console) commitAt(ctx context.Context, key string) (store.Commit, error) {
	seq, err := strconv.ParseUint(key, 10, 64)
	if err != nil {
		return store.Commit{}, fault.Errorf(fault.BadRequest, "%q is not a seq", key)
	}
	commit, err := c.app.Store().CommitAt(ctx, seq)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return commit, fault.Errorf(fault.NotFound, "there is no commit %d; the newest is %d", seq, c.app.Store().Seq())
	case errors.Is(err, store.ErrExpired):
		return commit, fault.Errorf(fault.Expired, "commit %d is no longer known: the log begins with commit %d", seq, c.app.Store().LogStart())
	}
	return commit, err
}

// undo commits the inverse of a commit, or adds it to an open transaction.
func (c *console) undo(ctx context.Context, req *wire.ControlRequest) (any, error) {
	commit, err := c.commitAt(ctx, req.Key)
	if err != nil {
		return nil, err
	}
	all := len(commit.Changes)
	if commit.Changes = slices.DeleteFunc(slices.Clone(commit.Changes), c.app.IsSession); all > 0 && len(commit.Changes) == 0 {
		return nil, fault.Errorf(fault.BadRequest, "commit %d cannot be undone: it started, used or ended sessions, and one that has ended does not begin again", commit.Seq)
	}
	inverse := func(tx *store.Tx) error {
		err := tx.Undo(ctx, commit)
		var contradicted *store.ContradictedError
		if errors.As(err, &contradicted) {
			return c.contradicted(commit.Seq, contradicted)
		}
		return err
	}
	if req.Tx != 0 {
		t, err := c.openTransaction(req)
		if err != nil {
			return nil, err
		}
		return wire.Written{Changes: len(commit.Changes)}, t.write(inverse)
	}
	made, err := c.app.Store().Update(ctx, c.by, inverse)
	if err != nil {
		return nil, err
	}
	return written(made), c.app.Engine().Wait(ctx, made.Seq)
}

// contradicted returns the error for an undo that a later commit prevents.
func (c *console) contradicted(seq uint64, err *store.ContradictedError) error {
	stale := staleRead{wire.StaleRead{ID: string(err.ID), Seq: err.Later.Seq, By: err.Later.By}}
	for _, change := range err.Later.Changes {
		if change.Model == err.Model && change.ID == err.ID {
			stale.Op, stale.Fields = change.Op.String(), server.ChangedFields(change)
		}
	}
	out := &fault.Error{Code: fault.Conflict, Message: "commit " + strconv.FormatUint(seq, 10) + " cannot be undone: a later commit conflicts with it", Problems: &record.Problems{}}
	out.Problems.Add(err.Model.Type+" "+string(err.ID), stale.describe())
	return out
}
