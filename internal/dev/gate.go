package dev

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// A target is a process that answers requests.
type target struct {
	transport *http.Transport
	pending   int // requests that it has been given and has not begun to answer
}

// newTarget sends to addr. Idle connections end here before they can end there:
// a request is never sent on one that the application is closing.
func newTarget(addr string) *target {
	var dialer net.Dialer
	return &target{transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", addr)
		},
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     5 * time.Second,
	}}
}

var (
	errNotRunning  = errors.New("the application does not run")
	errWaitTimeout = errors.New("the application did not come to run in time")
)

// A gate lets requests through to the current target, and holds them while
// there is none.
type gate struct {
	mu      sync.Mutex
	target  *target
	shut    bool          // no target is to be expected: refuse
	changed chan struct{} // closed and made anew when a waiter should look again
}

func newGate() *gate { return &gate{changed: make(chan struct{})} }

func (g *gate) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	g.wake()
}

func (g *gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// open lets requests through to t.
func (g *gate) open(t *target) { g.change(func() { g.target, g.shut = t, false }) }

// hold lets requests wait.
func (g *gate) hold() { g.change(func() { g.target, g.shut = nil, false }) }

// refuse turns requests away with errNotRunning.
func (g *gate) refuse() { g.change(func() { g.target, g.shut = nil, true }) }

// enter waits for a target, which must be left again. It is errWaited when
// expired is.
func (g *gate) enter(ctx context.Context, expired <-chan time.Time) (*target, error) {
	for {
		g.mu.Lock()
		t, shut, changed := g.target, g.shut, g.changed
		if t != nil {
			t.pending++
		}
		g.mu.Unlock()
		switch {
		case t != nil:
			return t, nil
		case shut:
			return nil, errNotRunning
		}
		select {
		case <-changed:
		case <-expired:
			return nil, errWaitTimeout
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// leave says that a target has begun to answer a request, or failed to.
func (g *gate) leave(t *target) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t.pending--
	if t.pending == 0 && g.target != t {
		g.wake()
	}
}

// drain waits until t has begun to answer all that it was given, but not longer
// than bound: what it was given so long ago, it has.
func (g *gate) drain(t *target, bound time.Duration) {
	g.wait(context.Background(), bound, func() bool { return t.pending == 0 })
}

// waitReplaced waits until t is not the current target, but not longer than bound.
func (g *gate) waitReplaced(ctx context.Context, t *target, bound time.Duration) {
	g.wait(ctx, bound, func() bool { return g.target != t })
}

// wait waits until done, which is asked with the lock held, but not longer than
// bound.
func (g *gate) wait(ctx context.Context, bound time.Duration, done func() bool) {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	for {
		g.mu.Lock()
		over, changed := done(), g.changed
		g.mu.Unlock()
		if over {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
