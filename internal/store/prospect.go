package store

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Changes returns what the transaction does so far, taken together. The images
// are frozen, and have no version yet.
func (tx *Tx) Changes() []Change { return tx.changes() }

// Look is View, except that nothing of what fn reads is remembered: at the commit
// it need not be as it was.
func (tx *Tx) Look(ctx context.Context, fn func(*Snapshot) error) error {
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
	return &fork
}

// Join makes tx what its fork has become. It returns [ErrConflict], and leaves tx
// alone, if another fork came first.
func (tx *Tx) Join(fork *Tx) error {
	switch {
	case tx.ended:
		return errEnded
	case tx.joined != fork.joined:
		return ErrConflict
	}
	*tx = *fork
	tx.joined++
	fork.ended = true
	return nil
}

// Prospect returns the commit that the transaction would be if it were made now,
// as the next one after seq. It is for [Store.ViewWith] alone, and is not made.
func (tx *Tx) Prospect(ctx context.Context, seq uint64) (Commit, error) {
	if tx.ended {
		return Commit{}, errEnded
	}
	c := Commit{Seq: seq + 1, At: tx.store.now(), By: tx.by}
	err := tx.store.ViewAt(ctx, seq, func(snap *Snapshot) error {
		for _, k := range tx.order {
			before, err := snap.Get(k.model, k.id)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if change, ok := changeOf(k, before, tx.over[k.model][k.id], true); ok {
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
