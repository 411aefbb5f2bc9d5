package session

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// TestSessionsEndOnTime starts sessions whose times are over shortly after each other: each has
// ended when its time is over, and none before.
func TestSessionsEndOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 1))
		s := openAt(t, filepath.Join(t.TempDir(), "x.db"), time.Now, firstSecret)
		ends := map[record.ID]time.Time{}
		for range 50 {
			age := 5*time.Second + time.Duration(rng.Int64N(int64(3*time.Second)))
			if rng.IntN(5) == 0 {
				age += time.Duration(rng.Int64N(int64(time.Hour)))
			}
			name, err := s.Start(t.Context(), "test", Start{User: "ada", Age: age}, Session{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			d, err := s.details(name.ID)
			if err != nil {
				t.Fatal(err)
			}
			ends[name.ID] = d.Expires
		}
		ctx, stop := context.WithCancel(t.Context())
		go s.Run(ctx, func() []record.ID { return nil }, func(err error) { t.Error(err) })
		lives := func(id record.ID) bool {
			err := s.store.View(t.Context(), func(snap *store.Snapshot) error {
				_, err := s.get(snap, id)
				return err
			})
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			return err == nil
		}
		for _, id := range slices.SortedFunc(maps.Keys(ends), func(a, b record.ID) int { return ends[a].Compare(ends[b]) }) {
			if before := time.Until(ends[id]) - time.Millisecond; before > 0 {
				time.Sleep(before)
				if !lives(id) {
					t.Fatalf("a session has ended %v before its time is over", time.Until(ends[id]))
				}
			}
			time.Sleep(time.Until(ends[id]) + soon + time.Millisecond)
			if lives(id) {
				t.Fatalf("a session goes on %v after its time is over", time.Since(ends[id]))
			}
		}
		stop()
		synctest.Wait()
	})
}
