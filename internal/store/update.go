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
