package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	maxTries     = 20
	minRetryWait = 8 * time.Millisecond // half of the first wait for a turn: a few commits
	maxRetryWait = time.Second          // longest wait for a turn
)

// Update runs fn in a transaction and commits it. When it lost a race it is run
// again, up to 20 times; then the error is [ErrConflict]. fn's own error is
// returned as it is, and nothing is committed.
func (s *Store) Update(ctx context.Context, by string, fn func(*Tx) error) (Commit, error) {
	turn := false
	defer func() {
		if turn {
			<-s.retryQueue
		}
	}()
	for try := 1; ; try++ {
		tx := s.Begin(by)
		if err := fn(tx); err != nil {
			return Commit{}, err
		}
		c, err := tx.Commit(ctx)
		if !errors.Is(err, ErrConflict) {
			return c, err
		}
		if try == maxTries {
			return Commit{}, fmt.Errorf("gave up after %d tries: %w", try, err)
		}
		if turn, err = s.waitTurn(ctx, turn, min(minRetryWait<<try, maxRetryWait)); err != nil {
			return Commit{}, err
		}
	}
}

// waitTurn lets those who lost a race try again one after another, and so win
// against each other. Who waited for long enough tries out of turn: the one whose
// turn it is may be busy with something else.
func (s *Store) waitTurn(ctx context.Context, turn bool, wait time.Duration) (bool, error) {
	if turn {
		return true, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s.retryQueue <- struct{}{}:
		return true, nil
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// A scanRead is a range that a transaction has read.
type scanRead struct {
	table    *table
	span     span
	relevant func(*Image) bool // nil: all
	seq      uint64            // of the state that was read
}

// remember keeps what the transaction saw, unless it has seen the record before.
func (tx *Tx) remember(m *Model, id ID, image *Image) {
	k := Key{m, id}
	if r, known := tx.reads[k]; !known {
		tx.reads[k] = read{image: image}
	} else if r.existsOnly {
		tx.reads[k] = read{image: r.image}
	}
}

// rememberScan keeps that the span was read up to last; nil is all of it.
func (tx *Tx) rememberScan(m *Model, sp span, r *Range, last []byte, seq uint64) {
	switch {
	case last == nil:
	case r.Reverse:
		sp.lo = last
	default:
		sp.hi = append(last, 0)
	}
	tx.scans = append(tx.scans, scanRead{table: tx.store.tables[m], span: sp, relevant: r.Relevant, seq: seq})
}

// unchanged reports whether no commit since has had a part in what was scanned.
func (b *batch) unchanged(sc *scanRead) bool {
	published := b.store.ring.since(sc.seq)
	if uint64(len(published)) < b.since-sc.seq {
		return false // too long ago to tell
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
		for _, image := range [...]*Image{change.Before, change.After} {
			if image != nil && sc.span.holds(sc.span.key(image)) && (sc.relevant == nil || sc.relevant(image)) {
				return true
			}
		}
	}
	return false
}
