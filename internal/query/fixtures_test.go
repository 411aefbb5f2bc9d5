package query

import (
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
)

func mustParse(t testing.TB, m *record.Model, where map[string]any) Condition {
	t.Helper()
	c, err := Parse(m, where)
	if err != nil {
		t.Fatalf("%v: %v", where, err)
	}
	return c
}

func scopeOf(t testing.TB, q *querytest.Question, m *record.Model) Scope {
	t.Helper()
	order, err := ParseOrder(m, q.Order)
	if err != nil {
		t.Fatal(err)
	}
	return Scope{Model: m, Where: mustParse(t, m, q.Where), Order: order, Limit: q.Limit, Offset: q.Offset}
}
