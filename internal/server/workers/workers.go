// Package workers runs the goroutines of an application that live as long as it does.
package workers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
)

// A Group is the workers of an application. It is safe for concurrent use.
type Group struct {
	ctx    context.Context
	cancel context.CancelFunc
	failed chan struct{} // closed by the first failure

	mu      sync.Mutex
	running map[string]int
	idle    chan struct{} // closed when none is left; nil: nobody waits
	stopped bool
	err     error // the first failure
}

// New returns a group without workers.
func New() *Group {
	g := &Group{failed: make(chan struct{}), running: map[string]int{}}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// Go runs work in a goroutine. The context ends when the group stops. An error, or a
// panic, is a failure of the group, unless it is the end of the context. A group that has
// stopped runs nothing.
func (g *Group) Go(name string, work func(context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	g.running[name]++
	go func() {
		err := fault.Recover(name, func() error { return work(g.ctx) })
		g.end(name, err)
	}()
}

// end notes that a worker has returned.
func (g *Group) end(name string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running[name]--; g.running[name] == 0 {
		delete(g.running, name)
	}
	if len(g.running) == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
	if err == nil || g.ctx.Err() != nil && errors.Is(err, g.ctx.Err()) || g.err != nil {
		return
	}
	g.err = fmt.Errorf("%s failed: %w", name, err)
	close(g.failed)
}

// Failed is closed when a worker has failed: see [Group.Stop].
func (g *Group) Failed() <-chan struct{} { return g.failed }

// Err returns the first failure, nil if there is none.
func (g *Group) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// Running returns the names of the workers that run.
func (g *Group) Running() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.running))
}

// Stop ends the context of the workers and waits until they have returned, at most for
// the given time. It returns the first failure, and the names of the workers that still
// run. Further calls return nil.
func (g *Group) Stop(most time.Duration) error {
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		return nil
	}
	g.stopped = true
	idle := make(chan struct{})
	if len(g.running) == 0 {
		close(idle)
	} else {
		g.idle = idle
	}
	g.mu.Unlock()

	g.cancel()
	bound := time.NewTimer(most)
	defer bound.Stop()
	select {
	case <-idle:
	case <-bound.C:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.running) == 0 {
		return g.err
	}
	names := strings.Join(slices.Sorted(maps.Keys(g.running)), ", ")
	return errors.Join(g.err, fmt.Errorf("%s did not return within %s of the end of its context", names, most))
}
