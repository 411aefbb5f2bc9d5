package cursor

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/store"
)

// newTrimmed returns a bench on a store whose log has lost its first commits: commits 1 to
// 3 created A, B and C with title x.
func newTrimmed(t *testing.T) *bench {
	m, path := querytest.NewModels(t), filepath.Join(t.TempDir(), "test.db")
	o := store.Options{LogBytes: 1}
	st := querytest.OpenStoreAt(t, path, m, o)
	for i, letter := range []string{"A", "B", "C"} {
		querytest.Create(t, st, m.Things, titled(letter, "x", i))
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return newBenchOn(t, m, querytest.OpenStoreAt(t, path, m, o))
}

func TestAnExpiredResumeGetsEverything(t *testing.T) {
	b := newTrimmed(t)
	querytest.RunEngine(t, b.engine)
	spec := Spec{Scope: b.scope(`{}`, 0)}
	var o Opened
	if err := b.engine.Open(context.Background(), "h", spec, &Resume{Seq: 1, Spec: spec}, func(opened Opened) { o = opened }); err != nil {
		t.Fatal(err)
	}
	if o.Resumed || o.Resync != Expired || len(o.Images) != 3 {
		t.Error(o)
	}
}

func makes(tx *store.Tx, b *bench, letter, title string) error {
	_, err := tx.Create(b.Things, titled(letter, title, 1))
	return err
}

// TestAnEngineThatFellBehindResyncs starts the engine where the log has been trimmed: every
// cursor ends with the reason, and can be opened again.
func TestAnEngineThatFellBehindResyncs(t *testing.T) {
	b := newTrimmed(t)
	plain, list := Spec{Scope: b.scope(`{}`, 0)}, Spec{Scope: b.scope(`{}`, 2)}
	b.open("plain", plain)
	b.open("list", list)
	b.engine.feed = b.st.Feed(1)
	_, err := b.meanwhile("opening", plain.Scope, func() {
		c := querytest.Commit(t, b.st, func(tx *store.Tx) error { return tx.Delete(b.Things, id("A")) })
		querytest.RunEngine(t, b.engine)
		if err := b.engine.Wait(context.Background(), c.Seq); err != nil {
			t.Fatal(err)
		}
	})
	if !errors.Is(err, ErrBehind) {
		t.Error(err)
	}
	b.expect(b.take(), "#4 to [plain]: expired; #4 to [list]: expired")
	b.expectNothingLeft()
	_, letters := b.open("list", list)
	b.expect(letters, "BC")
	b.expect(b.deletes("B"), "#5 to [list]: leave B")
}

// TestAnEngineThatFellBehindEndsOpenings checks the same for a cursor without a rule that
// is being opened on a query without holders.
func TestAnEngineThatFellBehindEndsOpenings(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	o, err := b.engine.begin(b.engine.holder("h"), Spec{Scope: b.scope(`{"title":"x"}`, 0)}, &resume{})
	if err != nil {
		t.Fatal(err)
	}
	b.engine.skip(store.ErrExpired)
	if _, err := b.engine.finish(t.Context(), o, nil, nil, &resume{}, nil); !errors.Is(err, ErrBehind) {
		t.Error(err)
	}
	b.expect(b.take(), "")
	b.expectNothingLeft()
}

// TestACursorThatCannotBeReadEndsWithAReason makes the store fail while a window is
// refilled and while a holder moves.
func TestACursorThatCannotBeReadEndsWithAReason(t *testing.T) {
	var records []any
	for _, letter := range []string{"A", "B", "C", "D", "E", "F", "G", "H", "J", "K", "M", "N"} {
		records = append(records, titled(letter, "x", 1))
	}
	b := newBench(t, store.Options{}, records...)
	q, _ := b.open("list", Spec{Scope: b.scope(`{}`, 1)})
	b.open("plain", Spec{Scope: b.scope(`{}`, 0)})
	b.moves = func(store.Commit) []Move {
		return []Move{{Holder: b.engine.holder("plain"), To: &Spec{Scope: b.scope(`{"count":1}`, 0)}}}
	}
	c := querytest.Commit(t, b.st, func(tx *store.Tx) error {
		for _, img := range q.whole.result.(*list).images {
			if err := tx.Delete(b.Things, img.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err := b.st.Close(); err != nil {
		t.Fatal(err)
	}
	b.engine.deliver(c)
	b.expect(b.take(), "#2 to [list]: failed; #2 moves plain: failed")
	for range 2 {
		if err := <-b.reports; !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	}
	b.expectNothingLeft()
}
