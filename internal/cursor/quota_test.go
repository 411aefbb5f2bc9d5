package cursor

import (
	"context"
	"errors"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/store"
)

// A ledger is a quota that knows who holds what, and fails the test if the engine says
// something else.
type ledger struct {
	t     testing.TB
	held  map[Holder]*Query
	count map[*Query]int
	err   error // refuses queries; nil: refuses none
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, held: map[Holder]*Query{}, count: map[*Query]int{}}
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
