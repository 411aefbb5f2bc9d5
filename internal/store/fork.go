package store

import (
	"fmt"
	"maps"
	"slices"

	"github.com/towerkit/tower/internal/record"
)

// Fork returns a transaction that starts with everything that tx has read and
// written. The caller ends it with [Tx.Join] or drops it; it must not be committed.
func (tx *Tx) Fork() *Tx {
	fork := *tx
	fork.over = make(overlay, len(tx.over))
	for m, images := range tx.over {
		fork.over[m] = maps.Clone(images)
	}
	fork.reads, fork.order, fork.scans = maps.Clone(tx.reads), slices.Clone(tx.order), slices.Clone(tx.scans)
	fork.forked = &forked{origin: map[record.Key]pendingImage{}, scans: len(tx.scans)}
	return &fork
}

// A forked holds what a fork needs to know of its origin.
type forked struct {
	origin map[record.Key]pendingImage // what the origin had at the keys that the fork has written
	scans  int
}

// A pendingImage is what a transaction has written at a key, if anything.
type pendingImage struct {
	image   *record.Image
	written bool
}

func (tx *Tx) pending(k record.Key) pendingImage {
	image, written := tx.over[k.Model][k.ID]
	return pendingImage{image, written}
}

// Join adds to tx what its fork has read and written. If tx has since written one of
// the same records, Join returns [ErrConflict] and leaves tx unchanged.
func (tx *Tx) Join(fork *Tx) error {
	if tx.ended {
		return errEnded
	}
	for k, was := range fork.forked.origin {
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
		if _, wrote := fork.forked.origin[k]; wrote {
			tx.put(k.Model, k.ID, fork.over[k.Model][k.ID])
		}
	}
	tx.rewritten = tx.rewritten || fork.rewritten
	fork.ended = true
	return nil
}
