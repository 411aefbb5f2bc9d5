package query

import (
	"fmt"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

func TestPlans(t *testing.T) {
	m := querytest.NewModels(t).Things
	for _, c := range []struct {
		where string
		order []string
		limit int
		want  string
	}{
		{`{}`, nil, 0, "order"},
		{`{}`, nil, 5, "order"},
		{`{}`, []string{"title"}, 0, "scan"},
		{`{}`, []string{"-title"}, 5, "order title"},
		{`{}`, []string{"-id"}, 5, "order"},
		{`{}`, []string{"size"}, 5, "scan"},
		{`{}`, []string{"title", "count"}, 5, "scan"},
		{`{"size": 1}`, nil, 0, "order"},
		{`{"id": "x"}`, []string{"title"}, 5, "filter 1 ids"},
		{`{"id": {"in": ["x", "y"]}}`, nil, 0, "filter 2 ids"},
		{`{"slug": "x"}`, []string{"title"}, 5, "filter slug"},
		{`{"slug": null}`, []string{"title"}, 5, "filter slug | order title"},
		{`{"owner": "x"}`, []string{"title"}, 0, "filter owner"},
		{`{"owner": "x"}`, []string{"title"}, 5, "filter owner | order title"},
		{`{"owner": "x"}`, []string{"size"}, 5, "filter owner"},
		{`{"owner": "x"}`, nil, 5, "filter owner"},
		{`{"owner": "x", "flag": true}`, []string{"-createdAt"}, 0, "filter owner"},
		{`{"owner": "x", "slug": "y"}`, nil, 0, "filter slug"},
		{`{"owner": {"in": ["x", "y"]}}`, nil, 0, "filter owner owner"},
		{`{"or": [{"owner": "x"}, {"title": "y", "size": 3}, {"id": "z"}]}`, nil, 0, "filter 1 ids owner title"},
		{`{"or": [{"owner": "x"}, {"size": 3}]}`, nil, 0, "order"},
		{`{"count": {"gte": 3, "lt": 9}}`, nil, 0, "range count"},
		{`{"count": {"gte": 3}}`, []string{"count"}, 5, "order count"},
		{`{"count": {"gte": 3}}`, []string{"title"}, 5, "range count | order title"},
		{`{"slug": {"exists": true}}`, []string{"size"}, 0, "range slug"},
		{`{"not": {"owner": "x"}}`, nil, 0, "order"},
		{`{}`, []string{"note"}, 5, "scan"}, // its index is sparse
		{`{"note": "x"}`, nil, 0, "filter note"},
		{`{"note": null}`, nil, 0, "order"},
		{`{"note": {"in": [null, "x"]}}`, nil, 0, "order"},
		{`{"note": null, "owner": "x"}`, nil, 0, "filter owner"},
		{`{"note": {"exists": true}}`, []string{"note"}, 5, "order note"},
		{`{"note": {"lte": "x"}}`, []string{"note"}, 5, "order note"},
		{`{"secret": ""}`, nil, 0, "order"},
		{`{"secret": {"lte": "x"}}`, []string{"secret"}, 5, "scan"},
		{`{"secret": {"gt": ""}}`, []string{"-secret"}, 5, "order secret"},
	} {
		q := querytest.Question{Where: querytest.DecodeJSON(t, c.where), Order: c.order, Limit: c.limit}
		s := scopeOf(t, &q, m)
		got := ""
		for i, p := range s.plans(nil, s.End()) {
			if got += p.name; i > 0 {
				got = got[:len(got)-len(p.name)] + " | " + p.name
			}
			if len(p.ids) > 0 {
				got += fmt.Sprintf(" %d ids", len(p.ids))
			}
			for _, r := range p.ranges {
				if r.Index != nil {
					got += " " + r.Index.Name
				}
			}
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", s, got, c.want)
		}
	}
}

func TestBounds(t *testing.T) {
	m := querytest.NewModels(t).Things
	for where, want := range map[string]string{
		`{}`:                             "–",
		`{"count": 3}`:                   "[3–3]",
		`{"count": {"in": [5, 3, 9]}}`:   "[3–9]",
		`{"count": {"in": []}}`:          "–",
		`{"count": {"gt": 3}}`:           "(3–",
		`{"count": {"lte": 3}}`:          "(null–3]",
		`{"count": {"exists": true}}`:    "(null–",
		`{"count": {"gte": 3, "lt": 9}}`: "[3–9)",
		`{"and": [{"count": {"gte": 3}}, {"count": {"gt": 3}}, {"count": {"gt": 1}}]}`: "(3–",
		`{"and": [{"count": {"lt": 3}}, {"count": {"lte": 3}}, {"count": {"lt": 4}}]}`: "(null–3)",
		`{"or": [{"count": 3}]}`:           "–",
		`{"not": {"count": 3}, "size": 2}`: "–",
	} {
		c := mustParse(t, m, querytest.DecodeJSON(t, where))
		lo, hi := c.bounds(m.Field("count"))
		got := "–"
		if lo != nil {
			got = map[bool]string{true: "(", false: "["}[lo.Open] + lo.Value.String() + got
		}
		if hi != nil {
			got += hi.Value.String() + map[bool]string{true: ")", false: "]"}[hi.Open]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", where, got, want)
		}
	}
}

// TestTheBetterPlanWins checks that few other records are read, whichever index finds the
// records.
func TestTheBetterPlanWins(t *testing.T) {
	m := querytest.NewModels(t)
	st := querytest.OpenStore(t, m, store.Options{})
	rare, common := &querytest.User{Name: "rare"}, &querytest.User{Name: "common"}
	querytest.Create(t, st, m.Users, rare, common)
	querytest.Commit(t, st, func(tx *store.Tx) error {
		for i := range 3000 {
			owner := common.ID
			if i < 5 {
				owner = rare.ID
			}
			if _, err := tx.Create(m.Things, &querytest.Thing{Owner: owner, Count: i}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, owner := range []record.ID{rare.ID, common.ID} {
		s := Scope{Model: m.Things, Where: Is(m.Things.Field("owner"), record.StringValue(string(owner))), Order: []Order{{m.Things.Field("count"), true}}, Limit: 5}
		if err := st.View(t.Context(), func(snap *store.Snapshot) error {
			done := 0
			r := s.Reader(nil, s.End())
			for i := range r.passes {
				if ended, err := r.advance(snap, &r.passes[i], firstBudget); ended && err == nil {
					done++
				}
			}
			images, err := Fetch(snap, s)
			if done != 1 || len(images) != 5 || images[0].Value(m.Things.Field("count")).Compare(images[4].Value(m.Things.Field("count"))) < 0 {
				t.Errorf("%d plans end within the first budget; %d records", done, len(images))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnindexedFields(t *testing.T) {
	m := querytest.NewModels(t).Things
	for _, c := range []struct {
		where string
		order []string
		limit int
		want  string // "" for none
	}{
		{`{}`, nil, 5, ""},
		{`{"size": 1}`, []string{"-title"}, 5, "size"},
		{`{"size": 1}`, nil, 0, "size"},
		{`{"size": 1, "owner": "x"}`, nil, 5, ""},
		{`{"size": 1, "title": {"gt": "x"}}`, nil, 5, ""},
		{`{"count": {"gt": 3}, "size": 1}`, nil, 5, ""},
		{`{"done": {"gt": "2026-01-01T00:00:00Z"}, "size": 3}`, nil, 5, "size"},
		{`{"size": {"gt": 3}}`, nil, 5, "size"},
		{`{"or": [{"owner": "x"}, {"size": 3}]}`, nil, 5, "size"},
		{`{"or": [{"done": null}, {"size": 3}]}`, nil, 5, ""},
		{`{"note": null}`, nil, 5, ""},
		{`{}`, []string{"note"}, 5, ""},
		{`{}`, []string{"size"}, 5, "size"},
		{`{}`, []string{"size"}, 0, ""},
		{`{}`, []string{"size", "title"}, 5, ""},
	} {
		got := ""
		q := querytest.Question{Where: querytest.DecodeJSON(t, c.where), Order: c.order, Limit: c.limit}
		scope := scopeOf(t, &q, m)
		if f := scope.Unindexed(); f != nil {
			got = f.Name
		}
		if got != c.want {
			t.Errorf("%s by %v, %d of them: %q instead of %q", c.where, c.order, c.limit, got, c.want)
		}
	}
}
