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
	for k, r := range tx.reads.All() {
		m, err := tx.store.conflictSince(ctx, k, r)
		if err != nil {
			return nil, err
		}
		if m != nil {
			found = append(found, *m)
		}
	}
	for _, sc := range tx.scans.Since(0) {
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

// overtaken reports whether what the transaction has read has changed since: it may have seen
// parts of different states. It is false if that is not known.
func (tx *Tx) overtaken(ctx context.Context) bool {
	if tx.ended || tx.began == tx.store.Seq() {
		return false
	}
	found, err := tx.Conflicts(ctx)
	return err == nil && len(found) > 0
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

// A scanRead is a range that a transaction has read.
type scanRead struct {
	table    *table
	span     span
	relevant func(*record.Image) bool // nil: every record is relevant
	seq      uint64                   // of the state that was read
}

// remember adds a record to the read set, unless the transaction has read it before.
func (tx *Tx) remember(m *record.Model, id record.ID, image *record.Image) {
	k := record.Key{Model: m, ID: id}
	if r, known := tx.reads.Get(k); !known {
		tx.reads.Set(k, read{image: image})
	} else if r.existsOnly {
		tx.reads.Set(k, read{image: r.image})
	}
}

// rememberScan adds to the read set that a span was read up to the key last; nil is
// all of it.
func (tx *Tx) rememberScan(m *record.Model, sp span, r *Range, last []byte, seq uint64) {
	switch {
	case last == nil:
	case r.Reverse:
		sp.lo = last
	default:
		sp.hi = append(last, 0)
	}
	tx.scans = tx.scans.Add(scanRead{table: tx.store.tables[m], span: sp, relevant: r.Relevant, seq: seq})
}

// unchanged reports whether no commit since the scan has changed what it read.
func (b *batch) unchanged(sc *scanRead) bool {
	published := b.store.ring.since(sc.seq)
	if uint64(len(published)) < b.forks.Count(sc.seq, b.since) || !b.forks.Has(sc.seq) {
		return false // the commits are no longer in memory, or what was scanned is of one that was lost
	}
	for _, commits := range [...][]Commit{published, b.commits} {
		for i := range commits {
			if sc.touchedBy(&commits[i]) {
				return false
			}
		}
	}
	return true
}

func (sc *scanRead) touchedBy(c *Commit) bool {
	for i := range c.Changes {
		change := &c.Changes[i]
		if change.Model != sc.table.model {
			continue
		}
		for _, image := range [...]*record.Image{change.Before, change.After} {
			if image != nil && sc.span.contains(sc.span.key(image)) && (sc.relevant == nil || sc.relevant(image)) {
				return true
			}
		}
	}
	return false
}
