package cursor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// seeded returns a source whose seed a failing test prints.
func seeded(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

func mustParse(t testing.TB, m *record.Model, where map[string]any) Condition {
	t.Helper()
	c, err := Parse(m, where)
	if err != nil {
		t.Fatalf("%v: %v", where, err)
	}
	return c
}

func (q *question) scope(t testing.TB, m *record.Model) Scope {
	t.Helper()
	order, err := ParseOrder(m, q.order)
	if err != nil {
		t.Fatal(err)
	}
	return Scope{Model: m, Where: mustParse(t, m, q.where), Order: order, Limit: q.limit, Offset: q.offset}
}

func describeImages(images []*record.Image) string {
	text := ""
	for _, img := range images {
		text += fmt.Sprintf("%s@%d ", img.ID[20:], img.Version)
	}
	return text
}

// fillStore makes users and things in several commits, and returns their ids.
func fillStore(t testing.TB, r *rand.Rand, st *store.Store, m models, n int) (users, things []record.ID) {
	for i := range 3 {
		u := &user{Name: fmt.Sprint("u", i)}
		create(t, st, m.users, u)
		users = append(users, u.ID)
	}
	for len(things) < n {
		commit(t, st, func(tx *store.Tx) error {
			for range 10 {
				x := &thing{}
				x.fill(r, users)
				x.Slug = nil
				if _, err := tx.Create(m.things, x); err != nil {
					return err
				}
				things = append(things, x.ID)
			}
			return nil
		})
	}
	return users, things
}

func everything(t testing.TB, snap *store.Snapshot, m *record.Model) map[record.ID]*record.Image {
	t.Helper()
	all := map[record.ID]*record.Image{}
	if err := snap.Scan(m, store.Range{}, func(img *record.Image) bool {
		all[img.ID] = img
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

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
				s, want := q.scope(t, m.things), q.answer(all)
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
