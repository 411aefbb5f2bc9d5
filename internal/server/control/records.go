package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// isRecordRequest reports whether a request reads or writes the records of a model.
func isRecordRequest(do string) bool {
	switch do {
	case wire.DoFind, wire.DoQuery, wire.DoCount, wire.DoCreate, wire.DoCreateAll, wire.DoUpdate, wire.DoDelete, wire.DoUpdateAll, wire.DoDeleteAll:
		return true
	}
	return false
}

// recordRequest reads or writes records: in the open transaction that the request names,
// in the past, or in the store. A write to the store is a transaction of its own.
func (c *console) recordRequest(ctx context.Context, m *record.Model, req *wire.ControlRequest) (any, error) {
	db, err := c.requestDB(req)
	if err != nil {
		return nil, err
	}
	switch req.Do {
	case wire.DoFind:
		var image *record.Image
		err := db.View(ctx, func(snap *store.Snapshot) (err error) {
			image, err = snap.Get(m, record.ID(req.Key))
			return err
		})
		if err != nil {
			return nil, notFound(m, req.Key, err)
		}
		return json.RawMessage(image.JSON), nil
	case wire.DoQuery, wire.DoCount:
		return c.query(ctx, m, req, db.View)
	}
	var out wire.Written
	made := places{}
	if db != server.DB(c.app) {
		err := db.Transaction(ctx, func(tx *server.Tx) (err error) {
			out, err = write(ctx, tx.Tx, m, req, made)
			return err
		})
		if t := c.transactions[req.Tx]; t != nil && err == nil {
			t.add(made)
		}
		return out, err
	}
	commit, err := c.app.Store().Update(ctx, c.by, func(tx *store.Tx) (err error) {
		out, err = write(ctx, tx, m, req, made)
		return err
	})
	if err != nil {
		return nil, made.name(err)
	}
	out.Seq, out.Changes = commit.Seq, len(commit.Changes)
	return out, c.app.Engine().Wait(ctx, commit.Seq)
}

// query returns the records of a query, or their number.
func (c *console) query(ctx context.Context, m *record.Model, req *wire.ControlRequest, view func(context.Context, func(*store.Snapshot) error) error) (any, error) {
	scope, err := server.ScopeOf(m, req)
	if err != nil {
		return nil, err
	}
	count := 0
	records := []json.RawMessage{}
	err = view(ctx, func(snap *store.Snapshot) error {
		if req.Do == wire.DoCount {
			count, err = query.Count(snap, scope)
			return err
		}
		if err := c.checkAnswer(snap, &scope); err != nil {
			return err
		}
		images, err := query.Fetch(snap, scope)
		for _, image := range images {
			records = append(records, image.JSON)
		}
		return err
	})
	if req.Do == wire.DoCount {
		return count, err
	}
	return records, err
}

// checkAnswer returns an error for a query whose records would be too large for an answer,
// before they are in memory. Few records are not counted in advance.
func (c *console) checkAnswer(snap *store.Snapshot, scope *query.Scope) error {
	const few = 1000
	end := scope.End()
	if 0 < end && end <= few {
		return nil
	}
	size, seen := 0, 0
	err := scope.Each(snap, func(image *record.Image) bool {
		size, seen = size+len(image.JSON), seen+1
		return size <= c.most()
	})
	if err == nil && size > c.most() && (end == 0 || end >= seen) {
		err = fault.Errorf(fault.TooLarge, "the answer cannot be sent: %v", c.tooMuch())
	}
	return err
}

// write writes one record, or all records that a query finds or a request creates, of
// which it notes the places in made.
func write(ctx context.Context, tx *store.Tx, m *record.Model, req *wire.ControlRequest, made places) (out wire.Written, err error) {
	var image *record.Image
	switch req.Do {
	case wire.DoUpdateAll, wire.DoDeleteAll:
		out.Changes, err = writeAll(ctx, tx, m, req)
	case wire.DoCreateAll:
		out.Records, err = createAll(ctx, tx, m, req, made)
		out.Changes = len(out.Records)
	case wire.DoCreate:
		image, err = create(tx, m, req.Set)
	case wire.DoUpdate:
		image, err = update(tx, m, record.ID(req.Key), req.Set)
		err = notFound(m, req.Key, err)
	default:
		err = refused(notFound(m, req.Key, tx.Delete(m, record.ID(req.Key))))
	}
	if err == nil && image != nil {
		out.Record = image.JSON
	}
	return out, err
}

func update(tx *store.Tx, m *record.Model, id record.ID, set []byte) (*record.Image, error) {
	return tx.Update(m, id, func(rec any) error {
		if problems := m.Assign(rec, set); problems.Any() {
			return &record.InvalidError{Model: m.Name, Problems: problems}
		}
		return nil
	})
}

// writeAll updates or deletes all records that a query finds, and returns their number.
// It fails if the request expects another number.
func writeAll(ctx context.Context, tx *store.Tx, m *record.Model, req *wire.ControlRequest) (int, error) {
	scope, err := server.ScopeOf(m, req)
	if err != nil {
		return 0, err
	}
	var images []*record.Image
	err = tx.View(ctx, func(snap *store.Snapshot) (err error) {
		images, err = query.Fetch(snap, scope)
		return err
	})
	if err != nil {
		return 0, err
	}
	if req.Expect != nil && len(images) != *req.Expect {
		return 0, fault.Errorf(fault.Conflict, "the query now finds %d records, not %d; nothing was changed", len(images), *req.Expect)
	}
	for _, image := range images {
		if req.Do == wire.DoDeleteAll {
			if err = tx.Delete(m, image.ID); errors.Is(err, store.ErrNotFound) {
				err = nil // deleted with another
			}
			err = refused(err)
		} else {
			_, err = update(tx, m, image.ID, req.Set)
		}
		var invalid *record.InvalidError
		if errors.As(err, &invalid) {
			return 0, &fault.Error{Code: fault.Invalid, Message: fmt.Sprintf("%s %s would not be valid; nothing was changed", m.Type, image.ID), Problems: invalid.Problems}
		}
		if err != nil {
			return 0, err
		}
	}
	return len(images), nil
}

func written(commit store.Commit) wire.Written {
	return wire.Written{Seq: commit.Seq, Changes: len(commit.Changes)}
}

// refused returns err, or the error for a console if another record refers to the one that
// was to be deleted. A console may see all records, so the error names that one.
func refused(err error) error {
	var referred *store.ReferredError
	if errors.As(err, &referred) {
		return fault.Errorf(fault.Conflict, "%s %s cannot be deleted: %s of %s %s refers to it; delete or change that first",
			referred.Model.Type, referred.ID, referred.Field.Name, referred.By.Model.Type, referred.By.ID)
	}
	return err
}

// notFound returns err, or the error for a console if there is no such record.
func notFound(m *record.Model, key string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fault.Errorf(fault.NotFound, "there is no %s %s", m.Type, strings.TrimSpace(key))
	}
	return err
}
