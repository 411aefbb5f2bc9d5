package cursor

import (
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/store"
)

func TestUntouched(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "y", 2))
	querytest.RunEngine(t, b.engine)
	x, y, all := b.scope(`{"title":"x"}`, 3), b.scope(`{"title":"y"}`, 0), b.scope(`{}`, 0)
	b.sets("A", func(x *querytest.Thing) { x.Count = 2 })                // 2
	b.sets("B", func(x *querytest.Thing) { x.Title = "z" })              // 3
	b.commit(func(tx *store.Tx) error { return makes(tx, b, "C", "w") }) // 4
	b.deletes("C")                                                       // 5
	check := func(seq uint64, want bool, scopes ...query.Scope) {
		t.Helper()
		if got, err := b.engine.Untouched(t.Context(), seq, scopes...); got != want || err != nil {
			t.Errorf("since %d %v are untouched: %t, %v", seq, scopes, got, err)
		}
	}
	check(1, true)
	check(1, false, x)
	check(2, true, x)
	check(2, false, x, y)
	check(3, true, x, y, all) // C was created and deleted
	check(4, false, all)
	check(5, true, all)
	check(9, false, x) // in the future
	b.engine.mu.Lock()
	b.engine.history, b.engine.historyLimit = nil, 2
	b.engine.mu.Unlock()
	check(1, false, x) // no longer in the log
	check(3, true, x)
}
