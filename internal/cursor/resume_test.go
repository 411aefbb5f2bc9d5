package cursor

import (
	"context"
	"fmt"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

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
	state, err := b.engine.Read(t.Context(), c.Seq, spec)
	if err != nil || len(state.Images) != 0 || b.engine.Seq() != 1 {
		t.Fatal(state, err)
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

func TestResuming(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2))
	querytest.RunEngine(t, b.engine)
	spec := Spec{Scope: b.scope(`{"title":"x"}`, 0)}
	b.deletes("A")
	b.sets("B", func(x *querytest.Thing) { x.Count = 3 })
	b.commit(func(tx *store.Tx) error {
		_, err := tx.Create(b.Things, titled("C", "x", 1))
		return err
	})
	resume := func(seq uint64, from Spec) (o Opened, err error) {
		err = b.engine.Open(context.Background(), "h", spec, &Resume{Seq: seq, Spec: from}, func(opened Opened) { o = opened })
		b.engine.Close("h")
		return o, err
	}
	o, err := resume(1, spec)
	b.expect(brief(o.Deltas), "leave A, enter C, change B")
	if err != nil || !o.Resumed || o.Resync != "" || o.Images != nil {
		t.Error(o, err)
	}
	o, _ = resume(3, Spec{Scope: b.scope(`{"count":{"gt":7}}`, 0)})
	b.expect(brief(o.Deltas), "enter B, enter C")
	if o, err = resume(4, spec); err != nil || !o.Resumed || len(o.Deltas) > 0 {
		t.Error(o, err)
	}
	if o, err = resume(99, spec); err != nil || o.Resumed || o.Resync != Epoch || len(o.Images) != 2 {
		t.Error(o, err)
	}
	if _, err = resume(1, Spec{Scope: query.Scope{Model: b.Users}}); err == nil {
		t.Error("resumed from another model")
	}
}

// TestResumingWhereMostHasLeft checks that everything is sent if that is less than all the
// leaves.
func TestResumingWhereMostHasLeft(t *testing.T) {
	for _, left := range []int{100, 101} {
		var things []any
		for i := range left + 3 {
			things = append(things, &querytest.Thing{Record: record.Record{ID: numbered(i)}, Title: "x", Count: i})
		}
		b := newBench(t, store.Options{}, things...)
		querytest.RunEngine(t, b.engine)
		b.commit(func(tx *store.Tx) error {
			for i := range left {
				if err := tx.Delete(b.Things, numbered(i)); err != nil {
					return err
				}
			}
			return nil
		})
		spec := Spec{Scope: b.scope(`{"title":"x"}`, 0, "count")}
		from := &Resume{Seq: 1, Spec: Spec{Scope: b.scope(`{"count":{"gte":0}}`, 0, "count")}}
		var o Opened
		if err := b.engine.Open(t.Context(), "h", spec, from, func(opened Opened) { o = opened }); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%d deltas, %d records, %q", len(o.Deltas), len(o.Images), o.Resync)
		if want := map[int]string{100: `100 deltas, 0 records, ""`, 101: `0 deltas, 3 records, "overflow"`}[left]; got != want || o.Resumed != (o.Resync == "") {
			t.Errorf("when %d have left: %s", left, got)
		}
	}
}

// TestResumesOfOtherStatesDoNotShareTheirAnswer checks that a client that held nothing of
// another spec and a client that held the same spec, at one seq, get different answers.
func TestResumesOfOtherStatesDoNotShareTheirAnswer(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	querytest.RunEngine(t, b.engine)
	spec, other := Spec{Scope: b.scope(`{"title":"x"}`, 0)}, Spec{Scope: b.scope(`{"title":"y"}`, 0)}
	b.open("open", spec)
	for i, held := range []Spec{other, spec, other} {
		var o Opened
		if err := b.engine.Open(t.Context(), i, spec, &Resume{Seq: 1, Spec: held}, func(opened Opened) { o = opened }); err != nil {
			t.Fatal(err)
		}
		want := "enter A"
		if i == 1 {
			want = ""
		}
		if got := brief(o.Deltas); got != want || !o.Resumed {
			t.Errorf("resume %d: %q, want %q", i, got, want)
		}
	}
}
