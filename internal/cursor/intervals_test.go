package cursor

import (
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// TestSpansAreFoundAsInAList puts spans in and takes them out at random, and
// compares what a change touches with a list of all of them.
func TestSpansAreFoundAsInAList(t *testing.T) {
	r := querytest.Rand(t)
	m := querytest.NewModels(t).Things
	count := m.Field("count")
	v := func() record.Value { return record.IntValue(int64(r.IntN(40))) }
	x := newIndex()
	var held []*selector
	for step := range 4000 {
		if len(held) > 0 && r.IntN(5) < 2 {
			i := r.IntN(len(held))
			x.remove(held[i])
			held = slices.Delete(held, i, i+1)
		} else {
			where := []query.Condition{query.Gt(count, v()), query.Gte(count, v()), query.Lt(count, v()), query.Lte(count, v()), query.And(query.Gte(count, v()), query.Lt(count, v())), query.And(query.Gt(count, v()), query.Lte(count, v()))}[r.IntN(6)]
			if s := x.add(query.Canonical(where)); !slices.Contains(held, s) {
				held = append(held, s)
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
		for _, s := range held {
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
	for _, s := range held {
		x.remove(s)
	}
	if len(x.tables)+len(x.selectors) > 0 || x.residual != nil {
		t.Errorf("left behind: %+v", x)
	}
}

// checkTreap looks whether the spans are in order, balanced, and say how far
// they reach.
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

func TestReasons(t *testing.T) {
	m := querytest.NewModels(t).Things
	for where, want := range map[string]string{
		`{}`:                            "it has no conditions",
		`{"count": 3}`:                  "",
		`{"count": {"gt": 3}}`:          "",
		`{"tags": {"contains": "red"}}`: "",
		`{"title": {"contains": "x"}}`:  `title contains "x" names neither a value nor a range`,
		`{"count": {"not": {"gt": 3}}}`: `not count > 3 names neither a value nor a range`,
		`{"tags": null}`:                `tags is null names neither a value nor a range`,
		`{"or": [{"count": 1}, {"title": {"contains": "x"}}]}`:   `title contains "x" names neither a value nor a range`,
		`{"or": [{"count": 1}, {"size": {"lt": 2}}]}`:            "",
		`{"title": {"contains": "x"}, "note": {"exists": true}}`: `nothing in title contains "x" and note is not null names a value or a range`,
		`{"title": {"contains": "x"}, "size": {"gte": 1}}`:       "",
	} {
		q := querytest.Question{Where: querytest.DecodeJSON(t, where)}
		scope := scopeOf(t, &q, m)
		if got := emptyEngine().query(Spec{Scope: scope}).Reason(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", where, got, want)
		}
	}
}

// TestConjunctionsAreFiledUnderTheirNarrowestPart names the field, and whether it
// is by a span.
func TestConjunctionsAreFiledUnderTheirNarrowestPart(t *testing.T) {
	m := querytest.NewModels(t).Things
	for where, want := range map[string]string{
		`{"owner": "x", "count": {"gte": 1, "lt": 2}}`:      "owner",
		`{"flag": true, "count": {"gte": 1, "lt": 2}}`:      "count span",
		`{"flag": true, "count": {"gte": 1}}`:               "count span",
		`{"size": {"gt": 1}, "count": {"gte": 1, "lt": 2}}`: "count span",
		`{"owner": null, "count": {"gte": 1, "lt": 2}}`:     "count span",
		`{"owner": null, "count": {"gte": 1}}`:              "owner",
		`{"count": {"gte": 2, "lt": 2}, "slug": "x"}`:       "",
		`{"or": [{"owner": "x"}, {"count": {"lt": 2}}]}`:    "owner count span",
		`{"title": {"contains": "x"}, "count": {"lte": 2}}`: "count span",
	} {
		q := querytest.Question{Where: querytest.DecodeJSON(t, where)}
		where := query.Canonical(scopeOf(t, &q, m).Where)
		niches, vague := where.Terms(query.TermFilter{})
		got := ""
		for _, n := range niches {
			if got += " " + n.Field.Name; n.Interval != nil {
				got += " span"
			}
		}
		if got = strings.TrimSpace(got); vague != nil || got != want {
			t.Errorf("%s: filed under %q, want %q", where, got, want)
		}
	}
}
