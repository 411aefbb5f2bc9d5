package store

import (
	"context"
	"errors"

	"github.com/towerkit/tower/internal/record"
)

// A Conflict is a record that is not as a transaction has read it any more.
type Conflict struct {
	Model *record.Model
	ID    record.ID // "" where it is records that came into what was read, or left it
	Later Commit
}

// Conflicts returns why a commit of the transaction, as things stand, would be
// refused with [ErrConflict], in no order; what the log does not reach back to
// has no commit.
func (tx *Tx) Conflicts(ctx context.Context) ([]Conflict, error) {
	var moved []Conflict
	for k, r := range tx.reads {
		m, err := tx.store.conflictSince(ctx, k, r)
		if err != nil {
			return nil, err
		}
		if m != nil {
			moved = append(moved, *m)
		}
	}
	for i := range tx.scans {
		sc := &tx.scans[i]
		c, err := tx.store.nextTouch(ctx, sc)
		if err != nil {
			return nil, err
		}
		if c != nil {
			moved = append(moved, Conflict{Model: sc.table.model, Later: *c})
		}
	}
	return moved, nil
}

// conflictSince returns what happened to a record since it was read, nil if nothing
// did.
func (s *Store) conflictSince(ctx context.Context, k record.Key, r read) (*Conflict, error) {
	var now *record.Image
	err := s.View(ctx, func(snap *Snapshot) (err error) {
		now, err = snap.Get(k.Model, k.ID)
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	current := read{image: now}
	if current.version() == r.version() || r.existsOnly && now != nil {
		return nil, nil
	}
	m := &Conflict{Model: k.Model, ID: k.ID}
	if now != nil {
		c, err := s.CommitAt(ctx, now.Version)
		if err == nil {
			m.Later = c
		} else if !errors.Is(err, ErrExpired) {
			return nil, err
		}
		return m, nil
	}
	m.Later, err = s.lastChange(ctx, r.version(), k, nil)
	return m, err
}

// nextTouch returns the first commit that had a part in what was scanned, nil if
// there is none.
func (s *Store) nextTouch(ctx context.Context, sc *scanRead) (*Commit, error) {
	newest := s.Seq()
	for feed := s.Feed(sc.seq); feed.seq < newest; {
		c, err := feed.Next(ctx)
		if errors.Is(err, ErrExpired) {
			return &Commit{}, nil
		}
		if err != nil {
			return nil, err
		}
		if sc.touchedBy(&c) {
			return &c, nil
		}
	}
	return nil, nil
}
