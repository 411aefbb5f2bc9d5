package dev

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A target is a process that answers requests.
type target struct {
	addr      string
	transport *http.Transport
	pending   map[*pass]bool // requests that were sent to it and that it has not begun to answer
}

// A pass is one request that a gate has let through.
type pass struct {
	target *target
	since  time.Time
}

// newTarget returns a target that listens on addr. Its idle connections expire here
// before the application closes them, so that no request is sent on a connection that
// the application is closing.
func newTarget(addr string) *target {
	var dialer net.Dialer
	return &target{addr: addr, pending: map[*pass]bool{}, transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", addr)
		},
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     5 * time.Second,
	}}
}

var (
	errNotRunning  = errors.New("the application is not running")
	errWaitTimeout = errors.New("the application did not start in time")
)

// A gate lets requests through to the current targets, one after another, and makes them wait
// while there is none. It may be used concurrently.
type gate struct {
	mu      sync.Mutex
	targets []*target
	next    int           // for the next request
	shut    bool          // no target will come: refuse requests
	changed chan struct{} // closed and replaced when waiters must check again
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

// open lets requests through to t alone.
func (g *gate) open(t *target) { g.change(func() { g.targets, g.shut = []*target{t}, false }) }

// hold makes requests wait.
func (g *gate) hold() { g.change(func() { g.targets, g.shut = nil, false }) }

// refuse makes requests fail with errNotRunning.
func (g *gate) refuse() { g.change(func() { g.targets, g.shut = nil, true }) }

// add lets requests through to t as well.
func (g *gate) add(t *target) { g.change(func() { g.targets = append(g.targets, t) }) }

// remove lets no more requests through to t. They wait if there is no other target.
func (g *gate) remove(t *target) {
	g.change(func() { g.targets = slices.DeleteFunc(g.targets, func(other *target) bool { return other == t }) })
}

// pick returns the target for the next request: the first one if it must always be the same.
// The caller holds the lock.
func (g *gate) pick(same bool) *target {
	if len(g.targets) == 0 {
		return nil
	}
	if same {
		return g.targets[0]
	}
	g.next++
	return g.targets[g.next%len(g.targets)]
}

// enter waits for a target, and lets one request through: to the first one if all such requests
// must come to the same. The caller must call leave when the
// target has begun to answer, or failed to. The error is errNotRunning if the gate refuses requests,
// errWaitTimeout when expired fires, or ctx.Err().
func (g *gate) enter(ctx context.Context, same bool, expired <-chan time.Time) (*pass, error) {
	for {
		g.mu.Lock()
		t, shut, changed := g.pick(same), g.shut, g.changed
		p := &pass{target: t, since: time.Now()}
		if t != nil {
			t.pending[p] = true
		}
		g.mu.Unlock()
		switch {
		case t != nil:
			return p, nil
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

// leave ends the request that enter began.
func (g *gate) leave(p *pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(p.target.pending, p)
	if !slices.Contains(g.targets, p.target) {
		g.wake()
	}
}

// drain waits until t has begun to answer all requests that were sent to it within the last
// bound. It has certainly received the others.
func (g *gate) drain(t *target, bound time.Duration) {
	began := time.Now()
	g.wait(context.Background(), bound, func() bool {
		for p := range t.pending {
			if began.Sub(p.since) < bound {
				return false
			}
		}
		return true
	})
}

// waitReplaced waits until t is no longer a current target, but not longer than bound.
func (g *gate) waitReplaced(ctx context.Context, t *target, bound time.Duration) {
	g.wait(ctx, bound, func() bool { return !slices.Contains(g.targets, t) })
}

// wait waits until done returns true, but not longer than bound. It calls done with the
// lock held.
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
