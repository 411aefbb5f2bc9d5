package cursor

import (
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

func TestEqualSpecsShareAQuery(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "y", 2))
	querytest.RunEngine(t, b.engine)
	one, letters := b.open("one", Spec{Scope: b.scope(`{"title":"x","count":{"gt":0}}`, 0)})
	b.expect(letters, "A")
	two, letters := b.open("two", Spec{Scope: b.scope(`{"and":[{"count":{"gt":0}},{"title":"x"}]}`, 0)})
	b.expect(letters, "A")
	other, _ := b.open("html", Spec{Scope: b.scope(`{"title":"x","count":{"gt":0}}`, 0), Tag: "partial"})
	if one != two || other == one || len(one.Holders()) != 2 || one.Len() != -1 || other.Number() == one.Number() {
		t.Error(one.Holders(), other.Holders(), one.Len())
	}
	if n := len(b.engine.indexes[b.Things].selectors); n != 1 {
		t.Errorf("%d selectors", n)
	}
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Title = "x" }), "#2 to [html]: enter B; #2 to [one two]: enter B")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Flag = true }), "#3 to [html]: change A; #3 to [one two]: change A")
	b.engine.Close("one")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 0 }), "#4 to [html]: leave A; #4 to [two]: leave A")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = -1 }), "")
	if n := len(b.engine.Queries()); n != 2 {
		t.Errorf("%d queries", n)
	}
	b.engine.Close("two")
	b.engine.Close("html")
	b.engine.Close("nobody")
	b.expectNothingLeft()
}

func TestAWindowRefills(t *testing.T) {
	var records []any
	for i, letter := range strings.Split("ABCDEFGHJKMNPQRSTVWXYZ", "") {
		records = append(records, titled(letter, "x", i))
	}
	b := newBench(t, store.Options{}, records...)
	querytest.RunEngine(t, b.engine)
	q, letters := b.open("h", Spec{Scope: b.scope(`{"title":"x"}`, 3, "count")})
	b.expect(letters, "ABC")
	b.expect(b.deletes("B"), "#2 to [h]: leave B, enter D after C.")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 2 }), "#3 to [h]: change A")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 3 }), "#4 to [h]: change A after C.")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 100 }), "#5 to [h]: leave A, enter E after D.")
	b.expect(b.sets("Z", func(x *querytest.Thing) { x.Count = -1 }), "#6 to [h]: leave E, enter Z after .")
	b.expect(b.sets("Z", func(x *querytest.Thing) { x.Note = &x.Title }), "#7 to [h]: change Z")
	b.expect(b.sets("Y", func(x *querytest.Thing) { x.Note = &x.Title }), "")
	for range 20 {
		ids := idsOf(nil, q.whole.result.(*list).visible())
		got := b.commit(func(tx *store.Tx) error {
			for _, id := range ids {
				if err := tx.Delete(b.Things, id); err != nil {
					return err
				}
			}
			return nil
		})
		if len(ids) > 0 && !strings.Contains(got, "leave") {
			t.Errorf("%v left: %s", ids, got)
		}
	}
	if !q.whole.result.(*list).complete || q.Len() != 0 {
		t.Errorf("%d are left", q.Len())
	}
	b.engine.Close("h")
	b.expectNothingLeft()
}

func TestARuleThatPanicsDenies(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2))
	querytest.RunEngine(t, b.engine)
	rule := func(img *record.Image) bool {
		if querytest.Decoded(img).Count == 2 {
			panic("two")
		}
		return true
	}
	_, letters := b.open("h", Spec{Scope: b.scope(`{}`, 0), Allow: rule})
	b.expect(letters, "A")
	b.expect((<-b.reports).Error(), "the rule of a cursor on things, asked for 0000000000000000000000000B: panic: two")
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 2 }), "#2 to [h]: leave A")
	<-b.reports
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 3 }), "#3 to [h]: enter B")
}

// TestAHolderIsRemembered checks that a record that a rule has allowed leaves, whatever the
// rule answers by then.
func TestAHolderIsRemembered(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2))
	querytest.RunEngine(t, b.engine)
	allowed := true
	b.open("held", Spec{Scope: b.scope(`{}`, 0), Allow: func(*record.Image) bool { return allowed }})
	b.open("list", Spec{Scope: b.scope(`{}`, 5), Allow: func(*record.Image) bool { return allowed }})
	b.engine.mu.Lock()
	allowed = false
	b.engine.mu.Unlock()
	b.expect(b.deletes("A"), "#2 to [list]: leave A; #2 to [held]: leave A")
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 9 }), "#3 to [list]: leave B; #3 to [held]: leave B")
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 1 }), "")
}
