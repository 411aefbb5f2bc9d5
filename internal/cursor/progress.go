package cursor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// progress is how far an engine has come. Callers can wait for it.
type progress struct {
	seq     atomic.Uint64
	stopped chan struct{}
	mu      sync.Mutex
	waiters map[uint64]chan struct{} // closed when their seq is reached
}

// Seq returns the number of the newest delivered commit.
func (p *progress) Seq() uint64 { return p.seq.Load() }

// Stopped reports whether no further commits will be delivered.
func (p *progress) Stopped() bool {
	select {
	case <-p.stopped:
		return true
	default:
		return false
	}
}

// Wait waits until all commits up to seq have been delivered. It returns ctx's error,
// or [ErrStopped] when the engine has stopped.
func (p *progress) Wait(ctx context.Context, seq uint64) error {
	reached := p.reached(seq)
	if reached == nil {
		return nil
	}
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for commit %d: %w", seq, ctx.Err())
	case <-p.stopped:
		return ErrStopped
	}
}

// reached returns a channel that is closed when seq is reached, or nil if it is
// reached.
func (p *progress) reached(seq uint64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seq.Load() >= seq {
		return nil
	}
	if p.waiters[seq] == nil {
		p.waiters[seq] = make(chan struct{})
	}
	return p.waiters[seq]
}

// reach notes that all commits up to seq have been delivered.
func (p *progress) reach(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, waiter := range p.waiters {
		if at <= seq {
			close(waiter)
			delete(p.waiters, at)
		}
	}
	p.seq.Store(seq)
}
