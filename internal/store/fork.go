package store

import (
	"fmt"
	"iter"

	"github.com/towerkit/tower/internal/record"
)

// Fork returns a transaction that starts with everything that tx has read and
// written. The caller ends it with [Tx.Join] or drops it; it must not be committed.
func (tx *Tx) Fork() *Tx {
	fork := *tx
	fork.over, fork.reads = tx.over.copy(), tx.reads.Copy()
	fork.forked = &forked{origin: map[record.Key]pendingImage{}, scans: tx.scans.Len(), order: tx.order.Len()}
	if tx.forked != nil {
		tx.forked.copied = true
	}
	return &fork
}

// A forked holds what a fork needs to know of its origin.
type forked struct {
	origin map[record.Key]pendingImage // what the origin had at the keys that the fork has written
	scans  int                         // how many the origin had read
	order  int                         // how many keys the origin had written
	copied bool                        // it was forked itself
}

// newReads yields what a fork has read, and may yield what its origin had read.
func (tx *Tx) newReads() iter.Seq2[record.Key, read] {
	if tx.forked.copied {
		return tx.reads.All()
	}
	return tx.reads.Own()
}

func (tx *Tx) putFrom(fork *Tx, k record.Key) {
	image, _ := fork.over.get(k.Model, k.ID)
	tx.put(k.Model, k.ID, image)
}

// A pendingImage is what a transaction has written at a key, if anything.
type pendingImage struct {
	image   *record.Image
	written bool
}

func (tx *Tx) pending(k record.Key) pendingImage {
	image, written := tx.over.get(k.Model, k.ID)
	return pendingImage{image, written}
}

// Wrote reports whether tx has created, updated or deleted a record.
func (tx *Tx) Wrote(m *record.Model, id record.ID) bool {
	return tx.pending(record.Key{Model: m, ID: id}).written
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
	tx.joinReads(fork)
	for _, k := range fork.order.Since(fork.forked.order) {
		tx.putFrom(fork, k)
	}
	for k, was := range fork.forked.origin {
		if was.written { // it has its place in the order
			tx.putFrom(fork, k)
		}
	}
	tx.rewritten = tx.rewritten || fork.rewritten
	fork.ended = true
	return nil
}

// JoinReads adds to tx what its fork has read, and drops what that has written: tx will depend
// on something that the fork has found out.
func (tx *Tx) JoinReads(fork *Tx) {
	tx.joinReads(fork)
	fork.ended = true
}

func (tx *Tx) joinReads(fork *Tx) {
	for k, r := range fork.newReads() {
		if own, known := tx.reads.Get(k); !known || own.existsOnly {
			tx.reads.Set(k, r)
		}
	}
	for _, scan := range fork.scans.Since(fork.forked.scans) {
		tx.scans = tx.scans.Add(scan)
	}
}
