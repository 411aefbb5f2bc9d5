package store

import (
	"context"
	"errors"

	"github.com/towerkit/tower/internal/record"
)

// A Conflict is a record that has changed since a transaction read it.
type Conflict struct {
	Model *record.Model
	ID    record.ID // "" if records have entered or left a range that was read
	Later Commit    // zero if it is no longer in the log
}

// Conflicts returns why a commit of the transaction would fail with [ErrConflict] if
// it were made now, in no particular order.
func (tx *Tx) Conflicts(ctx context.Context) ([]Conflict, error) {
	var found []Conflict
	for k, r := range tx.reads.all() {
		m, err := tx.store.conflictSince(ctx, k, r)
		if err != nil {
			return nil, err
		}
		if m != nil {
			found = append(found, *m)
		}
	}
	for _, sc := range tx.scans.since(0) {
		c, err := tx.store.nextTouch(ctx, &sc)
		if err != nil {
			return nil, err
		}
		if c != nil {
			found = append(found, Conflict{Model: sc.table.model, Later: *c})
		}
	}
	return found, nil
}

// conflictSince returns how a record has changed since it was read, or nil.
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

// nextTouch returns the first commit that changed what was scanned, or nil. If the
// log does not reach back to the scan, it returns the zero Commit.
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
