package cursor

import (
	"slices"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// TestIntervalsAreFoundAsInAList adds and removes random intervals, and compares what a
// change touches with a list of all of them.
func TestIntervalsAreFoundAsInAList(t *testing.T) {
	r := querytest.Rand(t)
	m := querytest.NewModels(t).Things
	count := m.Field("count")
	v := func() record.Value { return record.IntValue(int64(r.IntN(40))) }
	x := newIndex()
	var added []*selector
	for step := range 4000 {
		if len(added) > 0 && r.IntN(5) < 2 {
			i := r.IntN(len(added))
			x.remove(added[i])
			added = slices.Delete(added, i, i+1)
		} else {
			where := []query.Condition{query.Gt(count, v()), query.Gte(count, v()), query.Lt(count, v()), query.Lte(count, v()), query.And(query.Gte(count, v()), query.Lt(count, v())), query.And(query.Gt(count, v()), query.Lte(count, v()))}[r.IntN(6)]
			if s := x.add(query.Canonical(where)); !slices.Contains(added, s) {
				added = append(added, s)
			}
		}
		if x.residual != nil {
			t.Fatal("a range is in the residual list")
		}
		checkTreap(t, x)
		at := v()
		img := querytest.ImageOf(t, m, &querytest.Thing{Count: int(at.Any().(int64))})
		touched := x.match(&store.Change{Op: store.Create, Model: m, ID: img.ID, After: img}, nil)
		want := 0
		for _, s := range added {
			if s.matches(img) {
				want++
				if !slices.Contains(touched, s) {
					t.Fatalf("step %d: %s does not meet count %s", step, s.condition(), at)
				}
			}
		}
		if len(touched) != want {
			t.Fatalf("step %d: count %s meets %d, want %d", step, at, len(touched), want)
		}
		for _, s := range touched {
			s.clearTouches()
		}
	}
	for _, s := range added {
		x.remove(s)
	}
	if len(x.tables)+len(x.selectors) > 0 || x.residual != nil {
		t.Errorf("left behind: %+v", x)
	}
}

// checkTreap checks that the intervals are in order and balanced, and that every reach is
// correct.
func checkTreap(t *testing.T, x *index) {
	t.Helper()
	var last *query.Interval
	var check func(n *intervalNode, weight uint32) query.Endpoint
	check = func(n *intervalNode, weight uint32) (reach query.Endpoint) {
		if n == nil {
			return query.Endpoint{}
		}
		reach = n.Hi
		if left := check(n.left, n.weight); left.Compare(reach) > 0 {
			reach = left
		}
		if n.weight > weight || n.bucket == nil || last != nil && last.Compare(n.Interval) >= 0 {
			t.Fatalf("%+v stands behind %+v", n.Interval, last)
		}
		last = &n.Interval
		if right := check(n.right, n.weight); right.Compare(reach) > 0 {
			reach = right
		}
		if reach != n.reach {
			t.Fatalf("%+v reaches to %+v, not to %+v", n.Interval, reach, n.reach)
		}
		return reach
	}
	for _, table := range x.tables {
		last = nil
		check(table.intervals, ^uint32(0))
	}
}
