package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Changes returns what the transaction does so far, taken together. The images
// are frozen, and have no version yet.
func (tx *Tx) Changes() []Change { return tx.changes() }

// ViewUntracked is View, except that nothing of what fn reads is remembered: at the commit
// it need not be as it was.
func (tx *Tx) ViewUntracked(ctx context.Context, fn func(*Snapshot) error) error {
	if tx.ended {
		return errEnded
	}
	return tx.store.View(ctx, func(snap *Snapshot) error {
		snap.over = tx.over
		return fn(snap)
	})
}

// Fork returns a transaction that begins with all that tx has read and written,
// and ends with [Tx.Join], or by being forgotten. It is not to be committed.
func (tx *Tx) Fork() *Tx {
	fork := *tx
	fork.over = make(overlay, len(tx.over))
	for m, images := range tx.over {
		fork.over[m] = maps.Clone(images)
	}
	fork.reads, fork.order, fork.scans = maps.Clone(tx.reads), slices.Clone(tx.order), slices.Clone(tx.scans)
	fork.forked = &forked{was: map[Key]pendingImage{}, scans: len(tx.scans)}
	return &fork
}

// A forked is what a fork needs to know of where it comes from.
type forked struct {
	was   map[Key]pendingImage // under what it has written
	scans int
}

// A pendingImage is what a transaction has at a key, if it has written it.
type pendingImage struct {
	image   *Image
	written bool
}

func (tx *Tx) pending(k Key) pendingImage {
	image, written := tx.over[k.Model][k.ID]
	return pendingImage{image, written}
}

// Join adds to tx what its fork has read and written. It returns [ErrConflict],
// and leaves tx alone, if tx has written one of the same records meanwhile.
func (tx *Tx) Join(fork *Tx) error {
	if tx.ended {
		return errEnded
	}
	for k, was := range fork.forked.was {
		if tx.pending(k) != was {
			return fmt.Errorf("%s/%s: %w", k.Model.Name, k.ID, ErrConflict)
		}
	}
	for k, r := range fork.reads {
		if own, known := tx.reads[k]; !known || own.existsOnly {
			tx.reads[k] = r
		}
	}
	tx.scans = append(tx.scans, fork.scans[fork.forked.scans:]...)
	for _, k := range fork.order {
		if _, wrote := fork.forked.was[k]; wrote {
			tx.put(k.Model, k.ID, fork.over[k.Model][k.ID])
		}
	}
	tx.rewritten = tx.rewritten || fork.rewritten
	fork.ended = true
	return nil
}

// Preview returns the commit that the transaction would be if it were made now,
// as the next one after seq. It is for [Store.ViewWith] alone, and is not made.
func (tx *Tx) Preview(ctx context.Context, seq uint64) (Commit, error) {
	if tx.ended {
		return Commit{}, errEnded
	}
	c := Commit{Seq: seq + 1, At: tx.store.now(), By: tx.by}
	err := tx.store.ViewAt(ctx, seq, func(snap *Snapshot) error {
		for _, k := range tx.order {
			before, err := snap.Get(k.Model, k.ID)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if change, ok := changeOf(k, before, tx.over[k.Model][k.ID], true); ok {
				if change.After != nil {
					change.After = change.After.at(c.Seq)
				}
				c.Changes = append(c.Changes, change)
			}
		}
		return nil
	})
	return c, err
}

// ViewWith calls fn with the state that a commit, which was not made, would leave:
// the state after the commit before it, with its changes. It fails as ViewAt does.
func (s *Store) ViewWith(ctx context.Context, c Commit, fn func(*Snapshot) error) error {
	return s.ViewAt(ctx, c.Seq-1, func(snap *Snapshot) error {
		for i := range c.Changes {
			change := &c.Changes[i]
			if snap.over[change.Model] == nil {
				snap.over[change.Model] = map[ID]*Image{}
			}
			snap.over[change.Model][change.ID] = change.After
		}
		snap.seq = c.Seq
		return fn(snap)
	})
}
