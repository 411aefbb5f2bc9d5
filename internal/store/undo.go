package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/towerkit/tower/internal/record"
)

// CommitAt returns the commit with that number. It returns [ErrExpired] when the
// log does not reach back to it, and [ErrNotFound] when it is yet to be made.
func (s *Store) CommitAt(ctx context.Context, seq uint64) (Commit, error) {
	switch newest := s.Seq(); {
	case seq > newest:
		return Commit{}, fmt.Errorf("commit %d: %w; the newest is %d", seq, ErrNotFound, newest)
	case seq == 0:
		return Commit{}, fmt.Errorf("commit 0: %w; the first is 1", ErrNotFound)
	}
	return s.Feed(seq - 1).Next(ctx)
}

// A ContradictedError says that what a commit did cannot be taken back, because
// a later one did something to the same.
type ContradictedError struct {
	Model *record.Model
	ID    record.ID
	Field *record.Field // that both changed; nil: the record as a whole
	Later Commit        // zero where it is the transaction itself, or not in the log any more
}

func (e *ContradictedError) Error() string {
	what := fmt.Sprintf("%s/%s", e.Model.Name, e.ID)
	if e.Field != nil {
		what += ": " + e.Field.Name
	}
	if e.Later.Seq == 0 {
		return what + " has been changed since"
	}
	return fmt.Sprintf("%s has been changed since, by commit %d (%s)", what, e.Later.Seq, e.Later.By)
}

// Undo does the inverse of a commit: what it created is deleted, what it deleted
// is created again, and the fields that it changed get the values they had. What
// others did to other fields stays. The error is [*ContradictedError] when
// something later stands against it, or [*InvalidError]; the transaction is to be
// forgotten then.
func (tx *Tx) Undo(ctx context.Context, c Commit) error {
	for i := len(c.Changes) - 1; i >= 0; i-- {
		if err := tx.undo(ctx, c.Seq, &c.Changes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) undo(ctx context.Context, seq uint64, c *Change) error {
	now, err := tx.get(c.Model, c.ID, false)
	if err != nil {
		return err
	}
	switch {
	case c.Op == Create && now != nil && now.Same(c.After):
		tx.put(c.Model, c.ID, nil)
		return nil
	case c.Op == Delete && now == nil:
		return tx.restore(c.Before)
	case c.Op == Update && now != nil:
		return tx.revert(ctx, seq, c, now)
	}
	return tx.contradicted(ctx, seq, c, nil)
}

// restore creates a record that was deleted.
func (tx *Tx) restore(before *record.Image) error {
	rec, err := before.Copy()
	if err != nil {
		return err
	}
	header, err := before.Model.Header(rec)
	if err != nil {
		return err
	}
	header.UpdatedAt = tx.store.now()
	image, err := tx.freezeValid(before.Model, rec, nil, &record.Problems{})
	if err == nil {
		tx.put(before.Model, before.ID, image)
	}
	return err
}

// revert gives the fields that an update changed the values they had.
func (tx *Tx) revert(ctx context.Context, seq uint64, c *Change, now *record.Image) error {
	since := Change{Op: Update, Model: c.Model, ID: c.ID, Before: c.After, After: now}
	var fields []*record.Field
	for _, f := range c.Model.Fields {
		if c.Model.IsHeader(f) || c.Same(f) {
			continue
		}
		if !since.Same(f) {
			return tx.contradicted(ctx, seq, c, f)
		}
		fields = append(fields, f)
	}
	before, err := c.Before.Copy()
	if err != nil {
		return err
	}
	_, err = tx.Update(c.Model, c.ID, func(rec any) error {
		c.Model.CopyFields(rec, before, fields)
		return nil
	})
	return err
}

// contradicted looks for the last commit after seq that did something to the
// record, or to one field of it.
func (tx *Tx) contradicted(ctx context.Context, seq uint64, c *Change, f *record.Field) error {
	later, err := tx.store.lastChange(ctx, seq, record.Key{Model: c.Model, ID: c.ID}, f)
	if err != nil {
		return err
	}
	return &ContradictedError{Model: c.Model, ID: c.ID, Field: f, Later: later}
}

// lastChange returns the last commit after seq that changed the record, or one
// field of it, the zero Commit if there is none, or if the log does not reach back
// to seq.
func (s *Store) lastChange(ctx context.Context, seq uint64, k record.Key, f *record.Field) (last Commit, err error) {
	newest := s.Seq()
	for feed := s.Feed(seq); feed.seq < newest; {
		c, err := feed.Next(ctx)
		if errors.Is(err, ErrExpired) {
			return Commit{}, nil
		}
		if err != nil {
			return Commit{}, err
		}
		for i := range c.Changes {
			change := &c.Changes[i]
			if change.Model == k.Model && change.ID == k.ID && (f == nil || change.Op != Update || !change.Same(f)) {
				last = c
			}
		}
	}
	return last, nil
}
