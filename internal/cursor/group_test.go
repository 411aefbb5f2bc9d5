package cursor

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// seeing returns a rule that allows only records with one of the letters.
func seeing(letters string) func(*record.Image) bool {
	return func(img *record.Image) bool { return strings.Contains(letters, string(img.ID[25:])) }
}

// groups returns the holders of a query, grouped.
func groups(q *Query) string {
	var all []string
	for _, g := range q.groups() {
		names := ""
		for _, h := range g.holders {
			names += fmt.Sprint(h)
		}
		all = append(all, names)
	}
	return strings.Join(all, " ")
}

// TestHoldersThatSeeTheSameAreOne checks that holders whose rules answer alike get one
// effect, split over the first record that they see differently, and are merged when they
// hold the same records again.
func TestHoldersThatSeeTheSameAreOne(t *testing.T) {
	for name, scope := range map[string]func(*bench) Spec{
		"plain":  func(b *bench) Spec { return Spec{Scope: b.scope(`{"title":"x"}`, 0)} },
		"list":   func(b *bench) Spec { return Spec{Scope: b.scope(`{"title":"x"}`, 0), Ordered: true} },
		"window": func(b *bench) Spec { return Spec{Scope: b.scope(`{"title":"x"}`, 5)} },
		"count": func(b *bench) Spec {
			return Spec{Scope: b.scope(`{"title":"x"}`, 0), Value: query.ValueSpec{Kind: query.ValueCount}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2), titled("C", "y", 3), titled("D", "x", 4))
			querytest.RunEngine(t, b.engine)
			var q *Query
			for holder, letters := range map[string]string{"1": "ABC", "2": "ABC", "3": "AB"} {
				spec := scope(b)
				spec.Allow = seeing(letters)
				q, _ = b.open(holder, spec)
			}
			in := func(n int) {
				t.Helper()
				b.engine.mu.Lock()
				defer b.engine.mu.Unlock()
				if len(q.groups()) != n {
					t.Errorf("the groups are %s, want %d", groups(q), n)
				}
			}
			in(1)
			b.sets("C", func(x *querytest.Thing) { x.Title = "x" })
			in(2)
			b.deletes("A")
			in(2)
			b.sets("C", func(x *querytest.Thing) { x.Title = "y" })
			in(1)
			b.sets("D", func(x *querytest.Thing) { x.Count = 5 })
			in(1)
		})
	}
}

// TestGroupsSplitOverARefill checks that each of several holders gets the records that it may
// see when their window is refilled.
func TestGroupsSplitOverARefill(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2), titled("C", "x", 3), titled("D", "x", 4), titled("E", "x", 5))
	b.engine.spare = 0
	querytest.RunEngine(t, b.engine)
	var q *Query
	for _, letters := range []string{"ABCDE", "ABDE", "ABE"} {
		q, _ = b.open(letters, Spec{Scope: b.scope(`{}`, 2), Allow: seeing(letters)})
	}
	if got := groups(q); got != "ABCDEABDEABE" {
		t.Fatal(got)
	}
	b.expect(b.deletes("A"), "#2 to [ABCDE]: leave A, enter C after B.; #2 to [ABDE]: leave A, enter D after B.; #2 to [ABE]: leave A, enter E after B.")
	b.expect(b.commit(func(tx *store.Tx) error {
		return errors.Join(tx.Delete(b.Things, id("C")), tx.Delete(b.Things, id("D")))
	}),
		"#3 to [ABDE]: leave D, enter E after B.; #3 to [ABCDE]: leave C, enter E after B.")
	if got := groups(q); len(got) != 12 || strings.Contains(got, " ") {
		t.Errorf("the groups are %s, want one", got)
	}
}
