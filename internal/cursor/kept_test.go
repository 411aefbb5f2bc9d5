package cursor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// TestAKeptValueIsExact reads values, with rules and without, while others write: each is
// what reading all records of that commit gives.
func TestAKeptValueIsExact(t *testing.T) {
	r := querytest.Rand(t)
	w := newValueWorld(t, r)
	querytest.RunEngine(t, w.engine)
	var specs []Spec
	for i := range w.questions {
		q := &w.questions[i]
		spec := Spec{Scope: scopeOf(t, q, w.m.Things), Value: query.ValueSpec{Kind: kindOf(q)}}
		if q.Field != "" {
			spec.Value.Field = w.m.Things.Field(q.Field)
		}
		if level := i % 3; level > 0 {
			spec.RuleKey = fmt.Sprint(level)
			spec.Allow = func(img *record.Image) bool { return querytest.Decoded(img).Count%(level+1) == 0 }
		}
		specs = append(specs, spec)
	}
	ctx, own := context.Background(), w.ids()
	var readers sync.WaitGroup
	for range 4 {
		mine := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
		readers.Go(func() {
			for range 80 {
				spec, seq := querytest.Pick(mine, specs), w.st.Seq()
				got, err := w.engine.ReadValue(ctx, seq, spec)
				if err != nil {
					t.Error(err)
					return
				}
				want, err := ReadValue(w.engine.at(ctx, seq), spec)
				if err != nil {
					t.Error(err)
					return
				}
				if got != want {
					t.Errorf("%s at %d: %v, want %v", spec.String(), seq, got.Any(), want.Any())
				}
			}
		})
	}
	for range 120 {
		w.write(r, &own, 30)
	}
	readers.Wait()
}

// readCount reads a count and returns how many records were read for it.
func (b *bench) readCount(spec Spec, want int64) (examined int) {
	b.Helper()
	var meter store.Meter
	got, err := b.engine.ReadValue(meter.Context(context.Background()), b.st.Seq(), spec)
	if err != nil || got.Any() != want {
		b.Fatalf("%v, %v; want %d", got.Any(), err, want)
	}
	return meter.Examined()
}

func TestAValueIsReadOnce(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2), titled("C", "y", 3))
	querytest.RunEngine(t, b.engine)
	even := func(img *record.Image) bool { return querytest.Decoded(img).Count%2 == 0 }
	plain := Spec{Scope: b.scope(`{"title": "x"}`, 0), Value: query.ValueSpec{Kind: query.ValueCount}}
	ruled, unknown := plain, plain
	ruled.Allow, ruled.RuleKey, unknown.Allow = even, "even", even
	for _, c := range []struct {
		spec  Spec
		want  int64
		again bool // it must be read again
	}{{plain, 2, false}, {ruled, 1, false}, {unknown, 1, true}} {
		if b.readCount(c.spec, c.want) == 0 {
			t.Error("nothing was read at first")
		}
		if again := b.readCount(c.spec, c.want); (again > 0) != c.again {
			t.Errorf("%d records were read the second time", again)
		}
	}
	b.sets("C", func(x *querytest.Thing) { x.Title, x.Count = "x", 4 })
	if b.readCount(plain, 3)+b.readCount(ruled, 2) > 0 {
		t.Error("a commit made it read again")
	}
	if err := b.engine.Open(context.Background(), "h", plain, nil, func(o Opened) {
		if o.Value.Any() != int64(3) {
			t.Error(o.Value.Any())
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.deletes("A")
	b.readCount(plain, 2)
	b.engine.Close("h")
	b.engine.mu.Lock()
	b.engine.forgetAll()
	b.engine.mu.Unlock()
	b.expectNothingLeft()
}

func TestKeptValuesAreBounded(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	querytest.RunEngine(t, b.engine)
	for i := range maxKept + 10 {
		b.readCount(Spec{Scope: b.scope(fmt.Sprintf(`{"count": %d}`, i), 0), Value: query.ValueSpec{Kind: query.ValueCount}}, map[bool]int64{i == 1: 1}[true])
	}
	if len(b.engine.kept) > maxKept || len(b.engine.keptBy) > maxKept {
		t.Errorf("%d values are kept", len(b.engine.kept))
	}
}
