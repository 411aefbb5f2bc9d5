package cursor

import (
	"cmp"
	"context"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// asksForValue turns a question into one for a value.
func asksForValue(q *querytest.Question, r *rand.Rand) {
	q.Ordered = false
	if q.Value = uint8(1 + r.IntN(6)); kindOf(q) <= query.ValueExists {
		return
	}
	q.Limit, q.Offset = 0, 0
	fields := []string{"count", "size", "ratio"}
	if kindOf(q) == query.ValueMin || kindOf(q) == query.ValueMax {
		fields = append(fields, "title", "note", "due", "done", "owner", "createdAt", "flag")
	}
	q.Field = querytest.Pick(r, fields)
}

// valueOf returns the value of a fresh query's records.
func valueOf(q *querytest.Question, found []*record.Image) any {
	switch kindOf(q) {
	case query.ValueCount:
		return int64(len(found))
	case query.ValueExists:
		return len(found) > 0
	}
	var values []any
	for _, img := range found {
		if v := querytest.Plain[q.Field](querytest.Decoded(img)); v != nil {
			values = append(values, v)
		}
	}
	if kindOf(q) == query.ValueMin || kindOf(q) == query.ValueMax {
		return best(q, values)
	}
	total := new(big.Rat)
	for _, v := range values {
		total.Add(total, rational(v))
	}
	switch {
	case kindOf(q) == query.ValueAvg && len(values) == 0:
		return nil
	case kindOf(q) == query.ValueAvg:
		total.Quo(total, rational(len(values)))
	case q.Field == "count":
		return total.Num().Int64()
	case q.Field == "size":
		return total.Num().Uint64()
	}
	nearest, _ := total.Float64()
	return nearest
}

func rational(v any) *big.Rat {
	if f, ok := v.(float64); ok {
		return new(big.Rat).SetFloat64(f)
	}
	return new(big.Rat).SetInt64(int64(v.(int)))
}

// best returns the minimum or maximum, as the store would.
func best(q *querytest.Question, values []any) any {
	if len(values) == 0 {
		return nil
	}
	best := slices.MinFunc(values, querytest.NaiveCompare)
	if kindOf(q) == query.ValueMax {
		best = slices.MaxFunc(values, querytest.NaiveCompare)
	}
	switch n := best.(type) {
	case int:
		if q.Field == "size" {
			return uint64(n)
		}
		return int64(n)
	case record.ID:
		return string(n)
	}
	return best
}

func kindOf(q *querytest.Question) query.ValueKind { return query.ValueKind(q.Value) }

func newValueWorld(t *testing.T, r *rand.Rand) *world {
	w := newWorld(t, r, 60, 120)
	for i := range w.questions {
		asksForValue(&w.questions[i], r)
	}
	return w
}

// TestEveryValueIsExact checks values as TestEveryCursorIsExact checks records: after every
// commit each value is what a fresh query finds, and unchanged values are not sent.
func TestEveryValueIsExact(t *testing.T) {
	r := querytest.Rand(t)
	w := newValueWorld(t, r)
	w.rescopes = true
	querytest.RunEngine(t, w.engine)
	ctx := context.Background()
	var clients []*replica
	for i := range 40 {
		clients = append(clients, &replica{number: i, viewer: querytest.Pick(r, w.viewers)})
	}
	own := w.ids()
	for range 300 {
		w.write(r, &own, 30)
		if err := w.engine.Wait(ctx, w.st.Seq()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.act(ctx, r, querytest.Pick(r, clients))
		}
		if t.Failed() {
			return
		}
	}
	w.end()
}

// TestEveryValueIsExactWhileAllHappensAtOnce is the same test with cursors that open while
// others write.
func TestEveryValueIsExactWhileAllHappensAtOnce(t *testing.T) {
	r := querytest.Rand(t)
	w := newValueWorld(t, r)
	w.rescopes = true
	w.runConcurrently(t, r)
}

func TestSumsDoNotDrift(t *testing.T) {
	r := querytest.Rand(t)
	floats := []float64{math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-310, 0.1, -0.3, 1e300, 1, 0}
	var s query.Sum
	var added []float64
	for range 1000 {
		if len(added) > 0 && r.IntN(2) == 0 {
			i := r.IntN(len(added))
			s.Add(record.FloatValue(added[i]), -1)
			added = slices.Delete(added, i, i+1)
		} else {
			f := cmp.Or(querytest.Pick(r, floats), r.NormFloat64())
			s.Add(record.FloatValue(f), 1)
			added = append(added, f)
		}
		want := new(big.Rat)
		for _, f := range added {
			want.Add(want, rational(f))
		}
		nearest, _ := want.Float64()
		nearest = max(-math.MaxFloat64, min(nearest, math.MaxFloat64))
		if got := s.Value(record.Float).Any(); got != nearest {
			t.Fatalf("%v sum up to %v, want %v", added, got, nearest)
		}
	}
	var ints query.Sum
	for range 3 {
		ints.Add(record.IntValue(math.MaxInt64), 1)
	}
	if got := ints.Value(record.Int).Any(); got != float64(3*1<<63) {
		t.Errorf("beyond an int64: %v", got)
	}
	ints.Add(record.IntValue(math.MaxInt64), -1)
	ints.Add(record.IntValue(math.MaxInt64), -1)
	if got := ints.Value(record.Int).Any(); got != int64(math.MaxInt64) {
		t.Errorf("back again: %v", got)
	}
}

func TestValuesThatCannotBe(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	field := b.Things.Field
	all, some := b.scope(`{}`, 0), b.scope(`{}`, 3)
	for want, spec := range map[string]Spec{
		"count of count of things: it takes no field":                                 {Scope: all, Value: query.ValueSpec{Kind: query.ValueCount, Field: field("count")}},
		"sum of things: it needs a field of the model":                                {Scope: all, Value: query.ValueSpec{Kind: query.ValueSum}},
		"max of name of things: it needs a field of the model":                        {Scope: all, Value: query.ValueSpec{Kind: query.ValueMax, Field: b.Users.Field("name")}},
		"sum of count of things: it covers the whole scope; remove limit and offset":  {Scope: some, Value: query.ValueSpec{Kind: query.ValueSum, Field: field("count")}},
		"avg of title of things: it needs a field of numbers, not one of type string": {Scope: all, Value: query.ValueSpec{Kind: query.ValueAvg, Field: field("title")}},
		"min of tags of things: a value of type list has no order":                    {Scope: all, Value: query.ValueSpec{Kind: query.ValueMin, Field: field("tags")}},
	} {
		err := b.engine.Open(context.Background(), "h", spec, nil, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := b.engine.ReadValue(context.Background(), b.st.Seq(), spec); err == nil {
			t.Errorf("%s was read", spec.String())
		}
	}
	b.expectNothingLeft()
}

// TestACursorCannotTurnIntoAValue moves a cursor to another kind of spec than it was opened
// with.
func TestACursorCannotTurnIntoAValue(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	querytest.RunEngine(t, b.engine)
	b.open("h", Spec{Scope: b.scope(`{}`, 0)})
	b.moves = func(store.Commit) []Move {
		return []Move{{Holder: b.engine.holder("h"), To: &Spec{Scope: b.scope(`{}`, 0), Value: query.ValueSpec{Kind: query.ValueCount}}}}
	}
	b.expect(b.deletes("A"), "#2 moves h: failed")
	if err := <-b.reports; !strings.Contains(err.Error(), "things cannot become count of things") {
		t.Error(err)
	}
	b.expectNothingLeft()
}

// TestEqualValuesShareAQuery checks that values share a query regardless of order.
func TestEqualValuesShareAQuery(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	count := query.ValueSpec{Kind: query.ValueCount}
	one, _ := b.open(1, Spec{Scope: b.scope(`{"title": "x"}`, 0, "count"), Value: count})
	two, _ := b.open(2, Spec{Scope: b.scope(`{"title": "x"}`, 0), Value: count, Ordered: true})
	records, _ := b.open(3, Spec{Scope: b.scope(`{"title": "x"}`, 0)})
	sum, _ := b.open(4, Spec{Scope: b.scope(`{"title": "x"}`, 0), Value: query.ValueSpec{Kind: query.ValueSum, Field: b.Things.Field("count")}})
	if one != two || one == records || one == sum || sum == records {
		t.Error(one.number, two.number, records.number, sum.number)
	}
}
