package cursor

import (
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
)

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
