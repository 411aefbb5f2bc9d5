package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/store"
)

// TestWork lets three stores work while turns fail at every point.
func TestWork(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 100))
	l := NewLog()
	failing := false
	gone := errors.New("the log cannot be reached")
	l.Fail = func(p Point) error {
		mu.Lock()
		defer mu.Unlock()
		if !failing || random.IntN(4) > 0 {
			return nil
		}
		switch p {
		case BeforeTurn:
			return gone
		case BeforeAppend:
			return []error{store.ErrMoved, store.ErrUnknown, gone}[random.IntN(3)]
		}
		return store.ErrUnknown
	}
	var workers []*Worker
	for i := range 3 {
		w, err := OpenWorker(filepath.Join(t.TempDir(), "replica.db"), l.Node())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		if i == 0 {
			if err := w.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		workers = append(workers, w)
	}
	failing = true
	ctx, cancel := context.WithCancel(t.Context())
	var deeds []Deed
	report := func(d Deed) {
		mu.Lock()
		defer mu.Unlock()
		if deeds = append(deeds, d); len(deeds) == 2000 {
			cancel()
		}
	}
	var all sync.WaitGroup
	for i, w := range workers {
		all.Go(func() { w.Work(ctx, fmt.Sprint("w", i), seed+uint64(i), 4, report) })
	}
	all.Wait()
	failing = false
	Verify(t, deeds, l.Node(), workers...)
}
