package cursor

import (
	"errors"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/store"
)

// TestACursorMovesWhileItIsOpened checks that nothing of a scope that was lost meanwhile is
// sent.
func TestACursorMovesWhileItIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "y", 1))
	querytest.RunEngine(t, b.engine)
	to := Spec{Scope: b.scope(`{"title":"y"}`, 0)}
	b.moves = func(store.Commit) []Move { return []Move{{Holder: b.engine.holder("h"), To: &to}} }
	opened, err := b.meanwhile("h", b.scope(`{"title":"x"}`, 0), func() { b.sets("A", func(x *querytest.Thing) { x.Count = 2 }) })
	if err != nil || len(opened.Images) != 1 || opened.Images[0].ID != id("B") {
		t.Error(idsOf(nil, opened.Images), err)
	}
	b.engine.Close("h")
	b.expectNothingLeft()
}

// TestACursorMovesBeforeItIsOpened checks the same for a spec that was computed before the
// commit and opened after it.
func TestACursorMovesBeforeItIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "y", 1))
	querytest.RunEngine(t, b.engine)
	to := Spec{Scope: b.scope(`{"title":"y"}`, 0)}
	b.moves = func(store.Commit) []Move {
		return []Move{{Holder: b.engine.holder("moved"), To: &to}, {Holder: b.engine.holder("closed"), To: nil}, {Holder: b.engine.holder("gone"), To: &to}}
	}
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 2 }), "")
	b.moves = nil
	old := Spec{Scope: b.scope(`{"title":"x"}`, 0)}
	_, letters := b.open("moved", old)
	b.expect(letters, "B")
	if err := b.engine.Open(t.Context(), "closed", old, nil, nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	for _, h := range []string{"moved", "gone"} {
		b.engine.Close(h)
	}
	b.expectNothingLeft()
}

func TestAHolderGetsAllRecordsAgain(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2))
	querytest.RunEngine(t, b.engine)
	spec := Spec{Scope: b.scope(`{"title":"x"}`, 0, "count")}
	b.open("h", spec)
	b.moves = func(store.Commit) []Move { return []Move{{Holder: b.engine.holder("h"), To: &spec, Resend: true}} }
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 0 }), "#2 moves h: change B, change A after B.")
	b.moves = nil
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 3 }), "#3 to [h]: change B after A.")
	b.engine.Close("h")
	b.expectNothingLeft()
}

func TestAHolderMoves(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2), titled("C", "y", 3))
	querytest.RunEngine(t, b.engine)
	b.open("h", Spec{Scope: b.scope(`{"title":"x"}`, 0)})
	b.open("stays", Spec{Scope: b.scope(`{"title":"x"}`, 0)})
	next := Spec{Scope: b.scope(`{"count":{"gte":2}}`, 2, "-count")}
	b.moves = func(store.Commit) []Move { return []Move{{Holder: b.engine.holder("h"), To: &next}} }
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 4 }), "#2 to [stays]: change B; #2 moves h: leave A, enter C after B., change B")
	b.expect(b.sets("B", func(x *querytest.Thing) { x.Count = 2 }), "#3 to [stays]: change B; #3 to [h]: change B after C.")
	b.moves = func(store.Commit) []Move { return []Move{{Holder: b.engine.holder("h"), To: nil}} }
	b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 9 }), "#4 to [stays]: change A; #4 moves h: leave C, leave B")
	b.engine.Close("stays")
	b.expectNothingLeft()
}
