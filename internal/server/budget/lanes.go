// Package budget divides the server's time among the clients that make it read. Each
// client has an allowance of work. A client that has used up its allowance waits for one
// of a few lanes that all such clients share, and that rest most of the time, so the
// commits and reads of other clients do not wait for it.
//
// Work is estimated from what was read and answered. Unlike a time that was measured, it
// does not depend on how busy the machine is.
package budget

import (
	"context"
	"runtime"
	"sync"
	"time"
)

const (
	perRequest = 500 * time.Microsecond // the work of a request that reads nothing
	perRecord  = 2 * time.Microsecond   // for each record that is read
	perByte    = 5 * time.Nanosecond    // for each byte that is answered

	allowance = 10 * time.Millisecond // the most that a client has left
	refill    = 100                   // a client gets one hundredth of the time that passes
	rest      = 3                     // a lane rests three times as long as it worked
)

// Work estimates the processor time of a request that read so many records and was
// answered with so many bytes.
func Work(examined, bytes int) time.Duration {
	return perRequest + time.Duration(examined)*perRecord + time.Duration(bytes)*perByte
}

// An Allowance is the work that one client may still cause at once. It may be overdrawn
// by one request, whose work is known only afterwards. The zero value is a full one. It
// is safe for concurrent use.
type Allowance struct {
	mu    sync.Mutex
	spent time.Duration
	at    time.Time // when spent was computed
}

// left reports whether some of the allowance is left.
func (a *Allowance) left(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spent, a.at = max(a.spent-now.Sub(a.at)/refill, 0), now
	return a.spent < allowance
}

func (a *Allowance) spend(work time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spent += work
}

// Lanes serve clients that have used up their allowance, one at a time in each lane and
// in the order of their arrival. It is safe for concurrent use.
type Lanes struct{ free chan struct{} }

// NewLanes returns lanes for this machine: one for every two processors.
func NewLanes() *Lanes {
	n := max(runtime.GOMAXPROCS(0)/2, 1)
	l := &Lanes{free: make(chan struct{}, n)}
	for range n {
		l.free <- struct{}{}
	}
	return l
}

// Enter returns when a client may begin a request: at once while it has an allowance,
// and otherwise when a lane is free. The caller must call leave with the work of the
// request. Enter fails if ctx ends while the client waits.
func (l *Lanes) Enter(ctx context.Context, a *Allowance) (leave func(work time.Duration), err error) {
	if a.left(time.Now()) {
		return a.spend, nil
	}
	select {
	case <-l.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return func(work time.Duration) {
		a.spend(min(work, allowance)) // it has paid by waiting
		time.AfterFunc(rest*work, func() { l.free <- struct{}{} })
	}, nil
}
