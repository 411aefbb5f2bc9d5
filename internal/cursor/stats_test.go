package cursor

import (
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/store"
)

func TestWhatAQueryCosts(t *testing.T) {
	var records []any
	letters := strings.Split("ABCDEFGHJKMNPQRSTVWXYZ", "")
	for i, letter := range letters {
		records = append(records, titled(letter, "x", i))
	}
	b := newBench(t, store.Options{}, records...)
	querytest.RunEngine(t, b.engine)
	window, _ := b.open("window", Spec{Scope: b.scope(`{"title":"x"}`, 1, "count")})
	other, _ := b.open("other", Spec{Scope: b.scope(`{"title":"y"}`, 0)})
	for _, letter := range letters[:3] {
		b.deletes(letter)
	}
	if cost := window.Cost(); cost != (Cost{Evaluations: 3}) {
		t.Errorf("with records to spare, and without measuring: %+v", cost)
	}
	b.engine.Measure(true)
	for _, letter := range letters[3:15] {
		b.deletes(letter)
	}
	if cost := window.Cost(); cost.Evaluations != 15 || cost.Refills == 0 || cost.Refills > 3 || cost.Spent <= 0 {
		t.Errorf("%+v", cost)
	}
	if cost := other.Cost(); cost != (Cost{}) {
		t.Errorf("a query that was never touched: %+v", cost)
	}
	b.engine.Measure(false)
	spent := window.Cost().Spent
	b.deletes(letters[15])
	if window.Cost().Spent != spent {
		t.Error("it is measured when it is not to be")
	}
}
