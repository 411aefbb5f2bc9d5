package cursor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// Progress is how far an engine has come, and who waits for it to come further.
type progress struct {
	seq     atomic.Uint64
	stopped chan struct{}
	mu      sync.Mutex
	waiters map[uint64]chan struct{} // each closed when its seq is reached
}

// Seq returns the newest commit that has been delivered.
func (p *progress) Seq() uint64 { return p.seq.Load() }

// Wait returns when the commits up to seq have been delivered. Else it returns
// ctx's error, or [ErrStopped].
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

// reached returns what is closed when seq is reached, nil when it has been.
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

// reach says that the commits up to seq have been delivered.
func (p *progress) reach(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at := p.seq.Load() + 1; at <= seq && len(p.waiters) > 0; at++ {
		if waiter := p.waiters[at]; waiter != nil {
			close(waiter)
			delete(p.waiters, at)
		}
	}
	p.seq.Store(seq)
}
