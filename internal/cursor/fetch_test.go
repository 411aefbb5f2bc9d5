package cursor

import (
	"context"
	"slices"
	"testing"

	"github.com/towerkit/tower/internal/store"
)

func TestFetchFindsWhatANaiveQueryDoes(t *testing.T) {
	r, m := seeded(t), newModels(t)
	st := openStore(t, m, store.Options{})
	users, ids := fillStore(t, r, st, m, 120)
	half := st.Seq()
	for range 20 {
		commit(t, st, func(tx *store.Tx) error {
			_, err := tx.Update(m.things, pick(r, ids[:100]), func(x any) error {
				x.(*thing).touch(r, users)
				x.(*thing).Slug = nil
				return nil
			})
			return err
		})
	}
	commit(t, st, func(tx *store.Tx) error { return tx.Delete(m.things, ids[110]) })
	for _, seq := range []uint64{half, st.Seq()} {
		err := st.ViewAt(context.Background(), seq, func(snap *store.Snapshot) error {
			all := everything(t, snap, m.things)
			for range 150 {
				q := randomQuestion(r, ids, users)
				s, want := qScopeOf(t, &q, m.things), q.answer(all)
				got, err := Fetch(snap, s)
				if err != nil {
					t.Fatal(err)
				}
				if describeImages(got) != describeImages(want) {
					t.Fatalf("at %d of %s\n got %s\nwant %s", seq, s, describeImages(got), describeImages(want))
				}
				if !slices.IsSortedFunc(got, s.Compare) {
					t.Fatalf("%s does not compare as it is ordered", s)
				}
				if n, err := Count(snap, s); n != len(want) || err != nil {
					t.Fatalf("count %s: %d, want %d: %v", s, n, len(want), err)
				}
				if len(want) == 0 {
					continue
				}
				after := want[0]
				rest, err := s.read(snap, after, 3)
				if err != nil {
					t.Fatal(err)
				}
				q.limit, q.offset = 0, 0
				whole := q.answer(all)
				at := slices.Index(whole, after) + 1
				if want := whole[at:min(at+3, len(whole))]; describeImages(rest) != describeImages(want) {
					t.Fatalf("%s after %s\n got %s\nwant %s", s, after.ID[20:], describeImages(rest), describeImages(want))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
