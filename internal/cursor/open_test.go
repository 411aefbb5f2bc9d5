package cursor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

func TestOpenRefuses(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	b.open("h", Spec{Scope: b.scope(`{}`, 0)})
	name, title := b.Users.Field("name"), b.Things.Field("title")
	for _, s := range []query.Scope{
		b.scope(`{}`, 0), {}, {Model: b.Things, Limit: -1}, {Model: b.Things, Offset: -1}, {Model: b.Things, Order: []query.Order{{Field: name}}},
		{Model: b.Things, Order: []query.Order{{Field: b.Things.Field("tags")}}}, {Model: b.Things, Where: query.And(query.Exists(title), query.Not(query.Exists(name)))},
	} {
		if err := b.engine.Open(context.Background(), "h", Spec{Scope: s}, nil, nil); err == nil {
			t.Errorf("opened %+v", s)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.engine.Open(ctx, "late", Spec{Scope: b.scope(`{}`, 0)}, nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	b.engine.Close("h")
	b.expectNothingLeft()
}

// meanwhile opens a cursor and runs fn after it has read, when it asks its rule.
func (b *bench) meanwhile(h any, scope query.Scope, fn func()) (Opened, error) {
	b.Helper()
	asked, answer := make(chan struct{}), make(chan struct{})
	var once sync.Once
	rule := func(*record.Image) bool {
		once.Do(func() {
			close(asked)
			<-answer
		})
		return true
	}
	var opened Opened
	done := make(chan error, 1)
	go func() {
		done <- b.engine.Open(context.Background(), h, Spec{Scope: scope, Allow: rule}, nil, func(o Opened) { opened = o })
	}()
	<-asked
	fn()
	close(answer)
	return opened, <-done
}

func TestCommitsGoOnWhileACursorIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2), titled("C", "x", 3))
	querytest.RunEngine(t, b.engine)
	var opened Opened
	opened, err := b.meanwhile("h", b.scope(`{"title":"x"}`, 2, "-count"), func() {
		b.expect(b.deletes("C"), "")
		b.expect(b.sets("A", func(x *querytest.Thing) { x.Count = 5 }), "")
		b.expect(b.commit(func(tx *store.Tx) error {
			_, err := tx.Create(b.Things, titled("D", "x", 4))
			return err
		}), "")
	})
	if err != nil || opened.Seq != 4 || fmt.Sprint(idsOf(nil, opened.Images)) != fmt.Sprint([]record.ID{id("A"), id("D")}) {
		t.Error(opened.Seq, idsOf(nil, opened.Images), err)
	}
	b.expect(b.deletes("D"), "#5 to [h]: leave D, enter B after A.")
}

func TestAWindowRefillsWhileItIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1), titled("B", "x", 2), titled("C", "x", 3))
	b.engine.spare = 0
	querytest.RunEngine(t, b.engine)
	opened, err := b.meanwhile("h", b.scope(`{}`, 1), func() { b.deletes("A") })
	if err != nil || len(opened.Images) != 1 || opened.Images[0].ID != id("B") {
		t.Error(idsOf(nil, opened.Images), err)
	}
	b.expect(b.deletes("B"), "#3 to [h]: leave B, enter C after .")
}

// TestASparseRuleFillsAWindow checks that a rule is asked for records until it has allowed
// enough, and once for each.
func TestASparseRuleFillsAWindow(t *testing.T) {
	var records []any
	for i, letter := range strings.Split("ABCDEFGHJKMN", "") {
		records = append(records, titled(letter, "x", i))
	}
	b := newBench(t, store.Options{}, records...)
	b.engine.spare = 0
	querytest.RunEngine(t, b.engine)
	asked := ""
	rule := func(img *record.Image) bool {
		letter := string(img.ID[25:])
		asked += letter
		return strings.Contains("DHJMN", letter)
	}
	_, letters := b.open("h", Spec{Scope: b.scope(`{}`, 3), Allow: rule})
	b.expect(letters, "DHJ")
	b.expect(asked, "ABCDEFGHJ")
	b.expect(b.deletes("D"), "#2 to [h]: leave D, enter M after J.")
	b.expect(b.deletes("H"), "#3 to [h]: leave H, enter N after M.")
	b.expect(b.deletes("N"), "#4 to [h]: leave N")
	b.expect(asked, "ABCDEFGHJKMN")
}

func TestACursorIsClosedWhileItIsOpened(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	querytest.RunEngine(t, b.engine)
	_, err := b.meanwhile("h", b.scope(`{}`, 0), func() { b.engine.Close("h") })
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	b.moves = func(store.Commit) []Move { return []Move{{Holder: b.engine.holder("h")}} }
	_, err = b.meanwhile("h", b.scope(`{}`, 0), func() { b.sets("A", func(x *querytest.Thing) { x.Count = 2 }) })
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	b.expectNothingLeft()
}
