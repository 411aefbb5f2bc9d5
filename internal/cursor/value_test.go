package cursor

import (
	"cmp"
	"context"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// asksForValue turns a question into one for a value, of whatever has one.
func asksForValue(q *question, r *rand.Rand) {
	q.ordered = false
	if q.value = uint8(1 + r.IntN(6)); kindOf(q) <= ValueExists {
		return
	}
	q.limit, q.offset = 0, 0
	fields := []string{"count", "size", "ratio"}
	if kindOf(q) == ValueMin || kindOf(q) == ValueMax {
		fields = append(fields, "title", "note", "due", "done", "owner", "createdAt", "flag")
	}
	q.field = pick(r, fields)
}

// valueOf is the value of a fresh query's records.
func valueOf(q *question, found []*record.Image) any {
	switch kindOf(q) {
	case ValueCount:
		return int64(len(found))
	case ValueExists:
		return len(found) > 0
	}
	var values []any
	for _, img := range found {
		if v := plain[q.field](decoded(img)); v != nil {
			values = append(values, v)
		}
	}
	if kindOf(q) == ValueMin || kindOf(q) == ValueMax {
		return best(q, values)
	}
	total := new(big.Rat)
	for _, v := range values {
		total.Add(total, rational(v))
	}
	switch {
	case kindOf(q) == ValueAvg && len(values) == 0:
		return nil
	case kindOf(q) == ValueAvg:
		total.Quo(total, rational(len(values)))
	case q.field == "count":
		return total.Num().Int64()
	case q.field == "size":
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

// best returns the least or the greatest, as the store would.
func best(q *question, values []any) any {
	if len(values) == 0 {
		return nil
	}
	best := slices.MinFunc(values, naiveCompare)
	if kindOf(q) == ValueMax {
		best = slices.MaxFunc(values, naiveCompare)
	}
	switch n := best.(type) {
	case int:
		if q.field == "size" {
			return uint64(n)
		}
		return int64(n)
	case record.ID:
		return string(n)
	}
	return best
}

func kindOf(q *question) ValueKind { return ValueKind(q.value) }

func newValueWorld(t *testing.T, r *rand.Rand) *world {
	w := newWorld(t, r, 60, 120)
	for i := range w.questions {
		asksForValue(&w.questions[i], r)
	}
	return w
}

// TestEveryValueIsExact holds for values what TestEveryCursorIsExact does for
// records: after every commit each is what a fresh query finds, and nothing is
// said of those that are what they were.
func TestEveryValueIsExact(t *testing.T) {
	r := seeded(t)
	w := newValueWorld(t, r)
	w.rescopes = true
	runEngine(t, w.engine)
	ctx := context.Background()
	var clients []*replica
	for i := range 40 {
		clients = append(clients, &replica{number: i, viewer: pick(r, w.viewers)})
	}
	own := w.ids()
	for range 300 {
		w.write(r, &own, 30)
		if err := w.engine.Wait(ctx, w.st.Seq()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.act(ctx, r, pick(r, clients))
		}
		if t.Failed() {
			return
		}
	}
	w.end()
}

// TestEveryValueIsExactWhileAllHappensAtOnce is the same with cursors that open
// while others write.
func TestEveryValueIsExactWhileAllHappensAtOnce(t *testing.T) {
	r := seeded(t)
	w := newValueWorld(t, r)
	w.rescopes = true
	runEngine(t, w.engine)
	ctx, cancel := context.WithCancel(context.Background())
	var visitors, writers sync.WaitGroup
	for i := range 3 {
		own := rand.New(rand.NewPCG(uint64(i), r.Uint64()))
		visitors.Go(func() { w.visit(ctx, own, 12) })
	}
	ids := w.ids()
	for i := range 6 {
		own, rw := ids[i*10:i*10+10:i*10+10], rand.New(rand.NewPCG(uint64(i), r.Uint64()))
		writers.Go(func() {
			for range 60 {
				w.write(rw, &own, 5)
			}
		})
	}
	writers.Wait()
	if err := w.engine.Wait(ctx, w.st.Seq()); err != nil {
		t.Fatal(err)
	}
	cancel()
	visitors.Wait()
	w.end()
}

func TestSumsDoNotDrift(t *testing.T) {
	r := seeded(t)
	floats := []float64{math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-310, 0.1, -0.3, 1e300, 1, 0}
	var s sum
	var held []float64
	for range 5000 {
		if len(held) > 0 && r.IntN(2) == 0 {
			i := r.IntN(len(held))
			s.add(record.FloatValue(held[i]), -1)
			held = slices.Delete(held, i, i+1)
		} else {
			f := cmp.Or(pick(r, floats), r.NormFloat64())
			s.add(record.FloatValue(f), 1)
			held = append(held, f)
		}
		want := new(big.Rat)
		for _, f := range held {
			want.Add(want, rational(f))
		}
		nearest, _ := want.Float64()
		nearest = max(-math.MaxFloat64, min(nearest, math.MaxFloat64))
		if got := s.value(record.Float).Any(); got != nearest {
			t.Fatalf("%v sum up to %v, want %v", held, got, nearest)
		}
	}
	var ints sum
	for range 3 {
		ints.add(record.IntValue(math.MaxInt64), 1)
	}
	if got := ints.value(record.Int).Any(); got != float64(3*1<<63) {
		t.Errorf("beyond an int64: %v", got)
	}
	ints.add(record.IntValue(math.MaxInt64), -1)
	ints.add(record.IntValue(math.MaxInt64), -1)
	if got := ints.value(record.Int).Any(); got != int64(math.MaxInt64) {
		t.Errorf("back again: %v", got)
	}
}

func TestValuesThatCannotBe(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	field := b.things.Field
	all, some := b.scope(`{}`, 0), b.scope(`{}`, 3)
	for want, spec := range map[string]Spec{
		"count of count of things: it is not of a field":                                {Scope: all, Value: ValueSpec{ValueCount, field("count")}},
		"sum of things: it needs a field of that model":                                 {Scope: all, Value: ValueSpec{Kind: ValueSum}},
		"max of name of things: it needs a field of that model":                         {Scope: all, Value: ValueSpec{ValueMax, b.users.Field("name")}},
		"sum of count of things: it is of the whole scope; leave limit and offset away": {Scope: some, Value: ValueSpec{ValueSum, field("count")}},
		"avg of title of things: a field of numbers has one; this is of type string":    {Scope: all, Value: ValueSpec{ValueAvg, field("title")}},
		"min of tags of things: a value of type list has no order":                      {Scope: all, Value: ValueSpec{ValueMin, field("tags")}},
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

// TestACursorCannotTurnIntoAValue has a rule that answers with another kind of
// cursor than it was opened with.
func TestACursorCannotTurnIntoAValue(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	runEngine(t, b.engine)
	b.open("h", Spec{Scope: b.scope(`{}`, 0)})
	b.moves = func(store.Commit) []Move {
		return []Move{{b.engine.holder("h"), &Spec{Scope: b.scope(`{}`, 0), Value: ValueSpec{Kind: ValueCount}}}}
	}
	b.expect(b.deletes("A"), "#2 moves h: failed")
	if err := <-b.reports; !strings.Contains(err.Error(), "things cannot become count of things") {
		t.Error(err)
	}
	b.expectNothingLeft()
}

// TestEqualValuesShareAQuery whatever their order.
func TestEqualValuesShareAQuery(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	count := ValueSpec{Kind: ValueCount}
	one, _ := b.open(1, Spec{Scope: b.scope(`{"title": "x"}`, 0, "count"), Value: count})
	two, _ := b.open(2, Spec{Scope: b.scope(`{"title": "x"}`, 0), Value: count, Ordered: true})
	records, _ := b.open(3, Spec{Scope: b.scope(`{"title": "x"}`, 0)})
	sum, _ := b.open(4, Spec{Scope: b.scope(`{"title": "x"}`, 0), Value: ValueSpec{ValueSum, b.things.Field("count")}})
	if one != two || one == records || one == sum || sum == records {
		t.Error(one.number, two.number, records.number, sum.number)
	}
}
