package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/towerkit/tower/internal/record"
)

// CommitAt returns the commit with that number. It returns [ErrExpired] if the log no
// longer has it, and [ErrNotFound] if it has not been made.
func (s *Store) CommitAt(ctx context.Context, seq uint64) (Commit, error) {
	switch newest := s.Seq(); {
	case seq > newest:
		return Commit{}, fmt.Errorf("commit %d: %w; the newest is %d", seq, ErrNotFound, newest)
	case seq == 0:
		return Commit{}, fmt.Errorf("commit 0: %w; the first is 1", ErrNotFound)
	}
	if !s.has(seq) {
		return Commit{}, fmt.Errorf("commit %d: %w; it has been lost", seq, ErrNotFound)
	}
	return s.Feed(s.Before(seq)).Next(ctx)
}

// A ContradictedError reports that a commit cannot be undone, because a later one
// changed the same record or field.
type ContradictedError struct {
	Model *record.Model
	ID    record.ID
	Field *record.Field // the field that both changed; nil is the record as a whole
	Later Commit        // zero if it is the transaction itself, or no longer in the log
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

// Undo applies the inverse of a commit: it deletes what the commit created, creates
// what it deleted, and restores the fields that it changed. Fields that others
// changed keep their values. It returns a [*ContradictedError] if a later change
// prevents that, or a [*record.InvalidError]; the caller must then drop the
// transaction.
func (tx *Tx) Undo(ctx context.Context, c Commit) error {
	tx.restoring = map[record.Key]bool{} // they may refer to each other
	defer func() { tx.restoring = nil }()
	for i := range c.Changes {
		if change := &c.Changes[i]; change.Op == Delete {
			tx.restoring[record.Key{Model: change.Model, ID: change.ID}] = true
		}
	}
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
	image, err := tx.freezeValid(before.Model, rec, nil, before, &record.Problems{})
	if err == nil {
		tx.put(before.Model, before.ID, image)
	}
	return err
}

// revert restores the fields that an update changed.
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

// contradicted returns an error with the last commit after seq that changed the
// record, or one field of it.
func (tx *Tx) contradicted(ctx context.Context, seq uint64, c *Change, f *record.Field) error {
	later, err := tx.store.lastChange(ctx, seq, record.Key{Model: c.Model, ID: c.ID}, f)
	if err != nil {
		return err
	}
	return &ContradictedError{Model: c.Model, ID: c.ID, Field: f, Later: later}
}

// lastChange returns the last commit after seq that changed the record, or one field
// of it. It returns the zero Commit if there is none, or if the log does not reach
// back to seq.
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
