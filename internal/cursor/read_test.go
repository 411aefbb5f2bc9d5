package cursor

import (
	"context"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

func TestRank(t *testing.T) {
	b := newBench(t, store.Options{})
	var records []any
	for i := range 700 {
		records = append(records, &querytest.Thing{Title: "x", Count: i})
	}
	querytest.Create(t, b.st, b.Things, records...)
	at := func(read func(*store.Snapshot) error) error { return b.st.View(context.Background(), read) }
	even := func(img *record.Image) bool { return querytest.Decoded(img).Count%2 == 0 }
	for _, i := range []int{0, 1, 399, 698} {
		var img *record.Image
		if err := at(func(snap *store.Snapshot) (err error) {
			img, err = snap.Get(b.Things, records[i].(*querytest.Thing).ID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			spec Spec
			want int
		}{
			{Spec{Scope: b.scope(`{}`, 5, "count")}, i},
			{Spec{Scope: b.scope(`{}`, 5, "-count")}, 699 - i},
			{Spec{Scope: b.scope(`{"count":{"gte":300}}`, 0, "count")}, max(i-300, 0)},
			{Spec{Scope: b.scope(`{}`, 5, "count"), Allow: even}, (i + 1) / 2},
		} {
			if got, err := Rank(at, c.spec, img); err != nil || got != c.want {
				t.Errorf("%d in %s: %d, %v; want %d", i, c.spec.Scope, got, err, c.want)
			}
		}
	}
}
