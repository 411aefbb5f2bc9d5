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

// emptyEngine returns an engine without a store.
func emptyEngine() *Engine {
	return &Engine{sink: &recorder{}, progress: progress{stopped: make(chan struct{}), waiters: map[uint64]chan struct{}{}},
		indexes: map[*record.Model]*index{}, openings: map[Holder]*opening{}}
}

// million fills an engine, without a store, with a million cursors {"owner": X, "flag":
// true}, each with an owner of its own.
func million(b *testing.B, where func(m *record.Model, i int) query.Condition) (*Engine, querytest.Models) {
	return openEngine(b, size(b, "TOWER_BENCH_CURSORS"), where)
}

func openEngine(b *testing.B, cursors int, where func(m *record.Model, i int) query.Condition) (*Engine, querytest.Models) {
	m := querytest.NewModels(b)
	e := emptyEngine()
	for i := range cursors {
		q := e.query(Spec{Scope: query.Scope{Model: m.Things, Where: where(m.Things, i)}})
		e.attachHolder(&struct{ Membership }{}, nil, q.join(nil))
	}
	return e, m
}

func ownerOf(i int) string { return fmt.Sprintf("01JDA7Q4Z3M8X2V6K9T%07d", i) }

func equality(m *record.Model, i int) query.Condition {
	return query.And(query.Is(m.Field("owner"), record.StringValue(ownerOf(i))), query.Is(m.Field("flag"), record.BoolValue(true)))
}

func BenchmarkMatchOneOfMillionCursors(b *testing.B) {
	e, m := million(b, equality)
	img := querytest.ImageOf(b, m.Things, &querytest.Thing{Flag: true, Owner: record.ID(ownerOf(700))})
	c := store.Commit{Seq: 1, Changes: []store.Change{{Op: store.Create, Model: m.Things, ID: img.ID, After: img}}}
	b.ReportAllocs()
	for b.Loop() {
		if effects := e.match(c); len(effects) != 1 || len(effects[0].Holders) != 1 {
			b.Fatal(effects)
		}
	}
}

func BenchmarkMatchNoneOfMillionCursors(b *testing.B) {
	e, m := million(b, equality)
	img := querytest.ImageOf(b, m.Things, &querytest.Thing{Flag: true, Owner: "01JDA7Q4Z3M8X2V6K9T5B1C0RW"})
	c := store.Commit{Seq: 1, Changes: []store.Change{{Op: store.Create, Model: m.Things, ID: img.ID, After: img}}}
	b.ReportAllocs()
	for b.Loop() {
		if effects := e.match(c); len(effects) != 0 {
			b.Fatal(effects)
		}
	}
}

// BenchmarkMatch100kRanges changes one record among a hundred thousand cursors on
// overlapping ranges; ten of them contain it before and after.
func BenchmarkMatch100kRanges(b *testing.B) {
	m := querytest.NewModels(b)
	e := emptyEngine()
	count := m.Things.Field("count")
	for i := range 100_000 {
		from := record.IntValue(int64(i))
		q := e.query(Spec{Scope: query.Scope{Model: m.Things, Where: query.And(query.Gte(count, from), query.Lt(count, record.IntValue(int64(i+10))))}})
		e.attachHolder(&namedHolder{}, nil, q.join(nil))
	}
	before, after := querytest.ImageOf(b, m.Things, &querytest.Thing{Count: 50_000}), querytest.ImageOf(b, m.Things, &querytest.Thing{Count: 50_000, Title: "x"})
	c := store.Commit{Seq: 1, Changes: []store.Change{{Op: store.Update, Model: m.Things, ID: after.ID, Before: before, After: after}}}
	b.ReportAllocs()
	for b.Loop() {
		if effects := e.match(c); len(effects) != 10 {
			b.Fatal(effects)
		}
	}
}

// BenchmarkMatchThousandHolders changes a record of a query that a thousand cursors share.
func BenchmarkMatchThousandHolders(b *testing.B) {
	for _, spec := range []Spec{{}, {Scope: query.Scope{Limit: 20}}} {
		b.Run(fmt.Sprint("limit=", spec.Scope.Limit), func(b *testing.B) { benchmarkHolders(b, spec) })
	}
}

func benchmarkHolders(b *testing.B, spec Spec) {
	x := newBench(b, store.Options{}, titled("A", "x", 1), titled("B", "x", 2))
	spec.Scope.Model = x.Things
	spec.Scope.Where = query.Is(x.Things.Field("title"), record.StringValue("x"))
	for i := range 1000 {
		x.open(i, spec)
	}
	c := querytest.Commit(b, x.st, func(tx *store.Tx) error {
		_, err := tx.Update(x.Things, id("A"), func(x any) error {
			x.(*querytest.Thing).Count = 5
			return nil
		})
		return err
	})
	b.ReportAllocs()
	for b.Loop() {
		if effects := x.engine.match(c); len(effects) != 1 || len(effects[0].Holders) != 1000 {
			b.Fatal(effects)
		}
	}
}

// BenchmarkOpenSharedList adds a holder to an ordered query that is already open.
func BenchmarkOpenSharedList(b *testing.B) {
	benchmarkOpen(b, func(x *bench) Spec { return Spec{Scope: x.scope(`{"title": "x"}`, 20, "-createdAt")} })
}

// BenchmarkOpenPlain reads twenty records by an index.
func BenchmarkOpenPlain(b *testing.B) {
	benchmarkOpen(b, func(x *bench) Spec { return Spec{Scope: x.scope(`{"title": "x"}`, 0)} })
}

func benchmarkOpen(b *testing.B, spec func(*bench) Spec) {
	x := newBench(b, store.Options{})
	querytest.Commit(b, x.st, func(tx *store.Tx) error {
		for range 20 {
			if _, err := tx.Create(x.Things, &querytest.Thing{Title: "x"}); err != nil {
				return err
			}
		}
		return nil
	})
	querytest.RunEngine(b, x.engine)
	if err := x.engine.Wait(context.Background(), x.st.Seq()); err != nil {
		b.Fatal(err)
	}
	s := spec(x)
	x.open("first", s)
	for b.Loop() {
		x.open("h", s)
		x.engine.Close("h")
	}
}
