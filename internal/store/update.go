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

// Update runs fn in a transaction and commits it. After a conflict it runs fn again,
// up to 20 times, and then returns [ErrConflict]. If fn fails, Update returns fn's
// error as it is and commits nothing.
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

// Note makes a commit without changes: the log keeps who did something that changes no
// record. It returns when the disk has it.
func (s *Store) Note(ctx context.Context, by string) (Commit, error) {
	return s.submit(ctx, s.prepare(s.Begin(by), nil))
}

// waitTurn lets transactions retry one after another after a conflict, so that they
// do not conflict with each other again. After wait it returns without a turn,
// because the transaction whose turn it is may be busy with something else.
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
