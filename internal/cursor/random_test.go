package cursor

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/query/querytest"
)

// visit opens, leaves and resumes cursors at random until ctx ends.
func (w *world) visit(ctx context.Context, r *rand.Rand, clients int) {
	own := make([]*replica, clients)
	for i := range own {
		own[i] = &replica{number: r.IntN(1 << 30), viewer: querytest.Pick(r, w.viewers)}
	}
	for ctx.Err() == nil {
		w.act(ctx, r, querytest.Pick(r, own))
	}
}

func (w *world) act(ctx context.Context, r *rand.Rand, c *replica) {
	switch {
	case w.isOpen(c):
		w.leave(c)
	case c.seq > 0 && r.IntN(2) == 0:
		tag := c.tag
		if r.IntN(4) == 0 {
			tag = r.IntN(len(w.questions))
		}
		w.enter(ctx, c, tag, true)
	default:
		w.enter(ctx, c, r.IntN(len(w.questions)), false)
	}
}

// TestEveryCursorIsExactWhileAllHappensAtOnce checks the package's promise: after every
// commit, each client, which only applies what it receives, holds what a fresh and naive
// query finds.
func TestEveryCursorIsExactWhileAllHappensAtOnce(t *testing.T) {
	for _, rescopes := range []bool{false, true} {
		r := querytest.Rand(t)
		w := newWorld(t, r, 60, 60)
		w.rescopes = rescopes
		w.engine.spare, w.engine.historyLimit = r.IntN(3), 1+r.IntN(400)
		start := time.Now()
		w.runConcurrently(t, r)
		t.Log(time.Since(start))
	}
}

// runConcurrently runs the engine while three goroutines open, resume and close cursors,
// and six write, each its own records. Then it checks every client.
func (w *world) runConcurrently(t *testing.T, r *rand.Rand) {
	querytest.RunEngine(t, w.engine)
	ctx, cancel := context.WithCancel(context.Background())
	var visitors, writers sync.WaitGroup
	for i := range 3 {
		own := rand.New(rand.NewPCG(uint64(i), r.Uint64()))
		visitors.Go(func() { w.visit(ctx, own, 12) })
	}
	ids := w.ids()
	for i := range 6 {
		own, rw := ids[i*10:i*10+10:i*10+10], rand.New(rand.NewPCG(uint64(i), r.Uint64()))
		writers.Go(func() {
			for range 60 {
				w.write(rw, &own, 5)
			}
		})
	}
	writers.Wait()
	if err := w.engine.Wait(ctx, w.st.Seq()); err != nil {
		t.Fatal(err)
	}
	cancel()
	visitors.Wait()
	w.end()
}

// TestEveryCursorIsExact is the same test one step after another, so that a seed reproduces
// a failure.
func TestEveryCursorIsExact(t *testing.T) {
	r := querytest.Rand(t)
	w := newWorld(t, r, 60, 90)
	w.rescopes = true
	w.engine.spare, w.engine.historyLimit = 0, 1+r.IntN(400)
	querytest.RunEngine(t, w.engine)
	ctx := context.Background()
	var clients []*replica
	for i := range 30 {
		clients = append(clients, &replica{number: i, viewer: querytest.Pick(r, w.viewers)})
	}
	own := w.ids()
	for range 400 {
		w.write(r, &own, 30)
		if err := w.engine.Wait(ctx, w.st.Seq()); err != nil {
			t.Fatal(err)
		}
		w.act(ctx, r, querytest.Pick(r, clients))
		if t.Failed() {
			return
		}
	}
	w.end()
}
