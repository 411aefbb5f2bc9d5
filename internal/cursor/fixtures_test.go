package cursor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

func mustParse(t testing.TB, m *record.Model, where map[string]any) query.Condition {
	t.Helper()
	c, err := query.Parse(m, where)
	if err != nil {
		t.Fatalf("%v: %v", where, err)
	}
	return c
}

func scopeOf(t testing.TB, q *querytest.Question, m *record.Model) query.Scope {
	t.Helper()
	order, err := query.ParseOrder(m, q.Order)
	if err != nil {
		t.Fatal(err)
	}
	return query.Scope{Model: m, Where: mustParse(t, m, q.Where), Order: order, Limit: q.Limit, Offset: q.Offset}
}

// A recorder is a sink that records what it receives. Tests call Engine.Wait before they
// look.
type recorder struct {
	mu       sync.Mutex
	moves    func(store.Commit) []Move
	received []string
}

func (s *recorder) Rescope(c store.Commit) []Move {
	if s.moves == nil {
		return nil
	}
	return s.moves(c)
}

func (s *recorder) Deliver(c store.Commit, effects []Effect, moved []Moved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range effects {
		s.received = append(s.received, fmt.Sprintf("#%d to %v: %s%s", c.Seq, e.Holders, brief(e.Deltas), e.Resync))
	}
	for _, m := range moved {
		s.received = append(s.received, fmt.Sprintf("#%d moves %v: %s%s", c.Seq, m.Holder, brief(m.Deltas), m.Resync))
	}
}

// take returns what the recorder received since the last call.
func (s *recorder) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	received := strings.Join(s.received, "; ")
	s.received = nil
	return received
}

// brief formats deltas with the last letters of their ids.
func brief(deltas []Delta) string {
	deltas = slices.Clone(deltas)
	for i := range deltas {
		deltas[i].ID = deltas[i].ID[25:]
		if after := deltas[i].After; after != nil && *after != "" {
			short := (*after)[25:]
			deltas[i].After = &short
		}
	}
	return deltaText(deltas)
}

// id returns an id that ends with a letter.
func id(letter string) record.ID { return record.ID(strings.Repeat("0", 25) + letter) }

func numbered(i int) record.ID { return record.ID(fmt.Sprintf("%026d", i)) }

func titled(letter, title string, count int) *querytest.Thing {
	return &querytest.Thing{Record: record.Record{ID: id(letter)}, Title: title, Count: count}
}

// A bench is a store and an engine with a recorder.
type bench struct {
	testing.TB
	querytest.Models
	st     *store.Store
	engine *namedEngine
	*recorder
	reports chan error
	ledger  *ledger
}

// A namedHolder is a holder with a name, and a namedEngine an engine that takes names.
type namedHolder struct {
	Membership
	name any
}

func (g *namedHolder) String() string { return fmt.Sprint(g.name) }

type namedEngine struct {
	*Engine
	names sync.Mutex
	known map[any]*namedHolder
}

func (c *namedEngine) holder(name any) Holder {
	c.names.Lock()
	defer c.names.Unlock()
	if c.known[name] == nil {
		c.known[name] = &namedHolder{name: name}
	}
	return c.known[name]
}

func (c *namedEngine) Open(ctx context.Context, name any, spec Spec, from *Resume, opened func(Opened)) error {
	return c.Engine.Open(ctx, c.holder(name), spec, from, opened)
}

func (c *namedEngine) Close(name any) { c.Engine.Close(c.holder(name)) }

func newBench(t testing.TB, o store.Options, records ...any) *bench {
	m := querytest.NewModels(t)
	st := querytest.OpenStore(t, m, o)
	if len(records) > 0 {
		querytest.Create(t, st, m.Things, records...)
	}
	return newBenchOn(t, m, st)
}

func newBenchOn(t testing.TB, m querytest.Models, st *store.Store) *bench {
	b := &bench{TB: t, Models: m, st: st, recorder: &recorder{}, reports: make(chan error, 10), ledger: newLedger(t)}
	b.engine = &namedEngine{Engine: NewEngine(b.st, b.recorder, func(err error) { b.reports <- err }), known: map[any]*namedHolder{}}
	b.engine.Bound(b.ledger)
	return b
}

func (b *bench) scope(where string, limit int, order ...string) query.Scope {
	b.Helper()
	q := querytest.Question{Where: querytest.DecodeJSON(b, where), Order: order, Limit: limit}
	return scopeOf(b, &q, b.Things)
}

// open opens a cursor and returns its query and the letters of its records.
func (b *bench) open(h any, spec Spec) (*Query, string) {
	b.Helper()
	var q *Query
	letters := ""
	if err := b.engine.Open(context.Background(), h, spec, nil, func(o Opened) {
		q = o.Query
		for _, img := range o.Images {
			letters += string(img.ID[25:])
		}
	}); err != nil {
		b.Fatal(err)
	}
	return q, letters
}

// commit commits what fn does, waits for the engine, and returns what the sink received.
func (b *bench) commit(fn func(*store.Tx) error) string {
	b.Helper()
	c := querytest.Commit(b, b.st, fn)
	if err := b.engine.Wait(context.Background(), c.Seq); err != nil {
		b.Fatal(err)
	}
	return b.take()
}

func (b *bench) sets(letter string, fn func(*querytest.Thing)) string {
	b.Helper()
	return b.commit(func(tx *store.Tx) error {
		_, err := tx.Update(b.Things, id(letter), func(x any) error {
			fn(x.(*querytest.Thing))
			return nil
		})
		return err
	})
}

func (b *bench) deletes(letter string) string {
	b.Helper()
	return b.commit(func(tx *store.Tx) error { return tx.Delete(b.Things, id(letter)) })
}

func (b *bench) expect(got, want string) {
	b.Helper()
	if got != want {
		b.Errorf("\n got %s\nwant %s", got, want)
	}
}

func (b *bench) expectNothingLeft() {
	b.Helper()
	e := b.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.indexes)+len(e.openings)+len(e.moved) > 0 {
		b.Errorf("left behind: %v %v %v", e.indexes, e.openings, e.moved)
	}
	if len(b.ledger.held)+len(b.ledger.count)+e.open > 0 {
		b.Errorf("%d holders and %d queries are counted still", len(b.ledger.held), e.open)
	}
	for name, h := range b.engine.known {
		if h.group != nil {
			b.Errorf("%v sits still", name)
		}
	}
}
