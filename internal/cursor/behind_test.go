package cursor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
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

func makes(tx *store.Tx, b *bench, letter, title string) error {
	_, err := tx.Create(b.Things, titled(letter, title, 1))
	return err
}

// TestEqualResumesShareTheirAnswer checks that the deltas are one slice for all clients.
func TestEqualResumesShareTheirAnswer(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2))
	querytest.RunEngine(t, b.engine)
	allow := func(*record.Image) bool { return true }
	specs := []Spec{{Scope: b.scope(`{"title":"x"}`, 0)}, {Scope: b.scope(`{"title":"x"}`, 2)}, {Scope: b.scope(`{"title":"x"}`, 2), Allow: allow}}
	b.sets("A", func(x *querytest.Thing) { x.Count = 7 })
	for i, spec := range specs {
		var opened []Opened
		for n := range 3 {
			h := fmt.Sprint(i, n)
			if err := b.engine.Open(t.Context(), h, spec, &Resume{Seq: 1, Spec: spec, SameRule: true}, func(o Opened) { opened = append(opened, o) }); err != nil {
				t.Fatal(err)
			}
		}
		if opened[0].Shared || !opened[1].Shared || !opened[2].Shared || &opened[1].Deltas[0] != &opened[2].Deltas[0] {
			t.Error(opened)
		}
		for _, o := range opened {
			b.expect(brief(o.Deltas), "change A")
		}
	}
	b.sets("B", func(x *querytest.Thing) { x.Count = 7 })
	var o Opened
	if err := b.engine.Open(t.Context(), "later", specs[1], &Resume{Seq: 1, Spec: specs[1]}, func(opened Opened) { o = opened }); err != nil {
		t.Fatal(err)
	}
	b.expect(brief(o.Deltas), "change A, change B")
}

// TestResumingWaitsForTheEngine checks that a client whose position, from a page, is ahead
// of the engine does not resume before it.
func TestResumingWaitsForTheEngine(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	spec := Spec{Scope: b.scope(`{}`, 0)}
	c := querytest.Commit(t, b.st, func(tx *store.Tx) error { return tx.Delete(b.Things, id("A")) })
	images, _, err := b.engine.Read(t.Context(), c.Seq, spec)
	if err != nil || len(images) != 0 || b.engine.Seq() != 1 {
		t.Fatal(images, err)
	}
	opened := make(chan Opened, 1)
	done := make(chan error, 1)
	go func() {
		done <- b.engine.Open(context.Background(), "h", spec, &Resume{Seq: c.Seq, Spec: spec}, func(o Opened) { opened <- o })
	}()
	querytest.RunEngine(t, b.engine)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if o := <-opened; o.Seq != c.Seq || !o.Resumed || len(o.Deltas) > 0 {
		t.Error(o)
	}
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
	b.engine.skip()
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
		return []Move{{b.engine.holder("plain"), &Spec{Scope: b.scope(`{"count":1}`, 0)}}}
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

func TestWaiting(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	ctx, cancel := context.WithCancel(context.Background())
	if err := b.engine.Wait(ctx, b.st.Seq()); err != nil || b.engine.Seq() != 1 {
		t.Error(b.engine.Seq(), err)
	}
	waited := make(chan error, 3)
	for _, seq := range []uint64{2, 2, 3} {
		go func() { waited <- b.engine.Wait(context.Background(), seq) }()
	}
	ended := make(chan error, 1)
	go func() { ended <- b.engine.Run(ctx) }()
	b.sets("A", func(x *querytest.Thing) { x.Count = 2 })
	for range 2 {
		if err := <-waited; err != nil {
			t.Error(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := <-waited; !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
	if err := b.engine.Wait(ctx, 9); err == nil {
		t.Error("waited for a commit that was never made")
	}
	if err := b.engine.Open(context.Background(), "h", Spec{Scope: b.scope(`{}`, 0)}, nil, nil); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	b.open("h", Spec{Scope: b.scope(`{}`, 0)})
	name, title := b.Users.Field("name"), b.Things.Field("title")
	for _, s := range []query.Scope{
		b.scope(`{}`, 0), {}, {Model: b.Things, Limit: -1}, {Model: b.Things, Offset: -1}, {Model: b.Things, Order: []query.Order{{Field: name}}},
		{Model: b.Things, Order: []query.Order{{Field: b.Things.Field("tags")}}}, {Model: b.Things, Where: query.And(query.Exists(title), query.Not(query.Exists(name)))},
	} {
		if err := b.engine.Open(context.Background(), "h", Spec{Scope: s}, nil, nil); err == nil {
			t.Errorf("opened %+v", s)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.engine.Open(ctx, "late", Spec{Scope: b.scope(`{}`, 0)}, nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	b.engine.Close("h")
	b.expectNothingLeft()
}
