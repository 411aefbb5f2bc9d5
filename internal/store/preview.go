package store

import (
	"context"
	"errors"
)

// Changes returns the net effect of the transaction so far. The images are frozen,
// and have no version yet.
func (tx *Tx) Changes() []Change { return tx.changes() }

// ViewUntracked is View without tracking: what fn reads may change before the commit.
func (tx *Tx) ViewUntracked(ctx context.Context, fn func(*Snapshot) error) error {
	if tx.ended {
		return errEnded
	}
	return tx.store.View(ctx, func(snap *Snapshot) error {
		snap.over = tx.over
		return fn(snap)
	})
}

// Preview returns the commit that the transaction would make now if it were the next
// one after seq. It does not make the commit, which is good only for
// [Store.ViewWith].
func (tx *Tx) Preview(ctx context.Context, seq uint64) (Commit, error) {
	if tx.ended {
		return Commit{}, errEnded
	}
	c := Commit{Seq: seq + 1, At: tx.store.now(), By: tx.by}
	err := tx.store.ViewAt(ctx, seq, func(snap *Snapshot) error {
		for _, k := range tx.order.Since(0) {
			before, err := snap.Get(k.Model, k.ID)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			after, _ := tx.over.get(k.Model, k.ID)
			if change, ok := changeOf(k, before, after, true); ok {
				if change.After != nil {
					change.After = change.After.WithVersion(c.Seq)
				}
				c.Changes = append(c.Changes, change)
			}
		}
		return nil
	})
	return c, err
}

// ViewWith calls fn with the state that a previewed commit would leave: the state
// before it, with its changes. It fails as ViewAt does.
func (s *Store) ViewWith(ctx context.Context, c Commit, fn func(*Snapshot) error) error {
	return s.ViewAt(ctx, c.Seq-1, func(snap *Snapshot) error {
		for i := range c.Changes {
			change := &c.Changes[i]
			snap.over.set(change.Model, change.ID, change.After)
		}
		snap.seq = c.Seq
		return fn(snap)
	})
}
