package cursor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A ledger is a quota that knows who holds what, and fails the test if the engine says
// something else.
type ledger struct {
	t     testing.TB
	held  map[Holder]*Query
	count map[*Query]int
	err   error // refuses queries; nil: refuses none
	spent map[Holder]int
	poor  map[Holder]bool // who cannot afford that more is read
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, held: map[Holder]*Query{}, count: map[*Query]int{}, spent: map[Holder]int{}, poor: map[Holder]bool{}}
}

func (l *ledger) Hold(h Holder, q *Query, all int, must bool) error {
	if l.held[h] != nil {
		l.t.Errorf("a holder holds a second query")
	}
	want := len(l.count) + 1
	if must { // what moving holders have left is counted until the commit is over
		want = max(want, all)
	}
	if l.count[q] == 0 && all != want || l.count[q] > 0 && all != 0 {
		l.t.Errorf("a query with %d holders is number %d of %d", l.count[q], all, want)
	}
	if l.err != nil && !must {
		return l.err
	}
	l.held[h] = q
	l.count[q]++
	return nil
}

func (l *ledger) Drop(h Holder, q *Query) {
	if q == nil || l.held[h] != q {
		l.t.Errorf("a holder drops a query that it does not hold")
	}
	delete(l.held, h)
	if l.count[q]--; l.count[q] == 0 {
		delete(l.count, q)
	}
}

func (l *ledger) Spend(holders []Holder, records int) {
	for _, h := range holders {
		l.spent[h] += records
	}
}

func (l *ledger) Afford(h Holder) bool { return !l.poor[h] }

func TestAQueryMayBeRefused(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	querytest.RunEngine(t, b.engine)
	b.open("first", Spec{Scope: b.scope(`{"title":"x"}`, 0)})
	full := errors.New("full")
	b.ledger.err = full
	for _, where := range []string{`{"title":"y"}`, `{"title":"x"}`} {
		opened := func(Opened) { t.Error("a query was opened") }
		if err := b.engine.Open(context.Background(), "second", Spec{Scope: b.scope(where, 0)}, nil, opened); !errors.Is(err, full) {
			t.Error(err)
		}
	}
	if n := len(b.engine.Queries()); n != 1 {
		t.Errorf("%d queries are left", n)
	}
	b.ledger.err = nil
	b.open("second", Spec{Scope: b.scope(`{"title":"y"}`, 0)})
	b.engine.Close("first")
	b.engine.Close("second")
	b.expectNothingLeft()
}

// One thing in rareEvery has size 1. The field size has no index.
const rareEvery = 1200

// rareThings returns things, few of which have size 1. rare lists the ids of those few, ordered by count.
func rareThings(few int) (all []any, rare []record.ID) {
	for i := range few * rareEvery {
		thing := &querytest.Thing{Record: record.Record{ID: numbered(i)}, Count: i}
		if i%rareEvery == rareEvery-1 {
			thing.Size = 1
			rare = append(rare, thing.ID)
		}
		all = append(all, thing)
	}
	return all, rare
}

// grow sets the size of a thing to 2, so that the thing leaves the cursors on size 1. It returns what the sink received.
func (b *bench) grow(id record.ID) string {
	return b.commit(func(tx *store.Tx) error {
		_, err := tx.Update(b.Things, id, func(x any) error {
			x.(*querytest.Thing).Size = 2
			return nil
		})
		return err
	})
}

// The engine counts the records that it reads for a window, a window behind a rule or an extreme while it follows a
// commit. A holder that cannot afford another such read receives a resync, and the other holders go on.
func TestReadingForACommitIsBounded(t *testing.T) {
	things, rare := rareThings(8)
	for _, c := range []struct {
		name string
		spec func(b *bench) Spec
	}{
		{"a window", func(b *bench) Spec { return Spec{Scope: b.scope(`{"size":1}`, 2, "count")} }},
		{"a window behind a rule", func(b *bench) Spec {
			return Spec{Scope: b.scope(`{"count":{"gte":0}}`, 2, "count"), Allow: func(img *record.Image) bool {
				return fmt.Sprint(img.Value(b.Things.Field("size")).Any()) == "1"
			}}
		}},
		{"an extreme", func(b *bench) Spec {
			return Spec{Scope: b.scope(`{"size":1}`, 0), Value: query.ValueSpec{Kind: query.ValueMin, Field: b.Things.Field("count")}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, store.Options{}, things...)
			b.engine.spare = 0 // every record that leaves leaves a gap
			querytest.RunEngine(t, b.engine)
			poor, rich := b.engine.holder("poor"), b.engine.holder("rich")
			b.open("poor", c.spec(b))
			b.open("rich", c.spec(b))
			left := rare
			// leave makes records leave until the engine has read for the cursors.
			leave := func() (received string) {
				t.Helper()
				for before := b.ledger.spent[rich]; len(left) > 1; {
					received = b.grow(left[0])
					left = left[1:]
					if b.ledger.spent[rich] > before || strings.Contains(received, Costly) {
						return received
					}
				}
				t.Fatal("the engine has read nothing")
				return ""
			}
			leave()
			if poor, rich := b.ledger.spent[poor], b.ledger.spent[rich]; poor < rareEvery || poor != rich {
				t.Errorf("%d and %d records are counted", poor, rich)
			}
			b.ledger.poor[poor] = true
			if received := leave(); !strings.HasSuffix(received, "to [poor]: "+Costly) || !strings.Contains(received, "to [rich]: ") {
				t.Errorf("one of two can afford it, and they receive %q", received)
			}
			b.ledger.poor[rich] = true
			if received := leave(); !strings.HasSuffix(received, "to [rich]: "+Costly) {
				t.Errorf("nobody can afford it, and they receive %q", received)
			}
			b.expectNothingLeft()
			if len(b.reports) > 0 {
				t.Error(<-b.reports)
			}
		})
	}
}

// The engine refills a window that an index answers, even for a holder that can afford nothing.
func TestACheapWindowIsNotCounted(t *testing.T) {
	things, _ := rareThings(2)
	b := newBench(t, store.Options{}, things...)
	querytest.RunEngine(t, b.engine)
	h := b.engine.holder("poor")
	b.ledger.poor[h] = true
	b.open("poor", Spec{Scope: b.scope(`{"flag":false}`, 2, "count")})
	for i := range 50 {
		if received := b.commit(func(tx *store.Tx) error { return tx.Delete(b.Things, numbered(i)) }); strings.Contains(received, Costly) {
			t.Fatal(received)
		}
	}
	if b.ledger.spent[h] > 0 {
		t.Errorf("%d records are counted", b.ledger.spent[h])
	}
}

// A holder pays for the records that its move to another scope reads, and is refused if it cannot afford them.
func TestReadingForAMoveIsBounded(t *testing.T) {
	things, _ := rareThings(4)
	b := newBench(t, store.Options{}, things...)
	querytest.RunEngine(t, b.engine)
	h, rich := b.engine.holder("mover"), b.engine.holder("rich")
	b.open("mover", Spec{Scope: b.scope(`{"size":1}`, 2, "count")})
	b.open("rich", Spec{Scope: b.scope(`{"size":1}`, 2, "count")})
	sizes := 1
	b.recorder.moves = func(store.Commit) []Move {
		sizes++
		to := &Spec{Scope: b.scope(fmt.Sprintf(`{"size":%d}`, sizes), 2, "count")}
		return []Move{{Holder: h, To: to}, {Holder: rich, To: to}}
	}
	b.sets("1", func(x *querytest.Thing) { x.Note = new(string) })
	if n := b.ledger.spent[h]; n < len(things) {
		t.Errorf("%d records are counted", n)
	}
	b.ledger.poor[h] = true
	if received := b.sets("2", func(x *querytest.Thing) { x.Note = new(string) }); !strings.Contains(received, "moves mover: "+Costly) || strings.Count(received, Costly) > 1 {
		t.Errorf("they receive %q", received)
	}
	b.recorder.moves = nil
	b.engine.Close("rich")
	b.expectNothingLeft()
}
