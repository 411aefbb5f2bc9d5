package cursor

import (
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
)

// TestConjunctionsAreIndexedByTheirMostSelectiveTerm names the field, and whether the term
// is an interval.
func TestConjunctionsAreIndexedByTheirMostSelectiveTerm(t *testing.T) {
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
		terms, uncovered := where.Terms(query.TermFilter{})
		got := ""
		for _, n := range terms {
			if got += " " + n.Field.Name; n.Interval != nil {
				got += " span"
			}
		}
		if got = strings.TrimSpace(got); uncovered != nil || got != want {
			t.Errorf("%s: indexed by %q, want %q", where, got, want)
		}
	}
}
