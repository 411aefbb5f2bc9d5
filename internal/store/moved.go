package store

import (
	"context"
	"errors"
)

// A Moved is a record that is not as a transaction has read it any more.
type Moved struct {
	Model *Model
	ID    ID // "" where it is records that came into what was read, or left it
	Later Commit
}

// Moved returns why a commit of the transaction, as things stand, would be
// refused with [ErrConflict], in no order; what the log does not reach back to
// has no commit.
func (tx *Tx) Moved(ctx context.Context) ([]Moved, error) {
	var moved []Moved
	for k, r := range tx.reads {
		m, err := tx.store.movedSince(ctx, k, r)
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
			moved = append(moved, Moved{Model: sc.table.model, Later: *c})
		}
	}
	return moved, nil
}

// movedSince returns what happened to a record since it was read, nil if nothing
// did.
func (s *Store) movedSince(ctx context.Context, k key, r read) (*Moved, error) {
	var now *Image
	err := s.View(ctx, func(snap *Snapshot) (err error) {
		now, err = snap.Get(k.model, k.id)
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	current := read{image: now}
	if current.version() == r.version() || r.loose && now != nil {
		return nil, nil
	}
	m := &Moved{Model: k.model, ID: k.id}
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
func (s *Store) nextTouch(ctx context.Context, sc *scanned) (*Commit, error) {
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
