package query

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

func TestFetchFindsWhatANaiveQueryDoes(t *testing.T) {
	r, m := querytest.Rand(t), querytest.NewModels(t)
	st := querytest.OpenStore(t, m, store.Options{})
	users, ids := querytest.FillStore(t, r, st, m, 120)
	half := st.Seq()
	for range 20 {
		querytest.Commit(t, st, func(tx *store.Tx) error {
			_, err := tx.Update(m.Things, querytest.Pick(r, ids[:100]), func(x any) error {
				x.(*querytest.Thing).Touch(r, users)
				x.(*querytest.Thing).Slug = nil
				return nil
			})
			return err
		})
	}
	querytest.Commit(t, st, func(tx *store.Tx) error { return tx.Delete(m.Things, ids[110]) })
	for _, seq := range []uint64{half, st.Seq()} {
		err := st.ViewAt(context.Background(), seq, func(snap *store.Snapshot) error {
			all := querytest.AllImages(t, snap, m.Things)
			for range 150 {
				q := querytest.RandomQuestion(r, ids, users)
				s, want := scopeOf(t, &q, m.Things), q.Answer(all)
				got, err := Fetch(snap, s)
				if err != nil {
					t.Fatal(err)
				}
				if querytest.DescribeImages(got) != querytest.DescribeImages(want) {
					t.Fatalf("at %d of %s\n got %s\nwant %s", seq, s, querytest.DescribeImages(got), querytest.DescribeImages(want))
				}
				if !slices.IsSortedFunc(got, s.Compare) {
					t.Fatalf("%s does not compare as it is ordered", s)
				}
				unbounded := s
				unbounded.Limit, unbounded.Offset = 0, 0
				forth, err := Fetch(snap, unbounded)
				if err != nil {
					t.Fatal(err)
				}
				back, err := Fetch(snap, unbounded.Reversed())
				if slices.Reverse(back); err != nil || querytest.DescribeImages(back) != querytest.DescribeImages(forth) {
					t.Fatalf("the reverse of %s: %v\n got %s\nwant %s", unbounded, err, querytest.DescribeImages(back), querytest.DescribeImages(forth))
				}
				if parts := inParts(t, r, st, seq, &s); querytest.DescribeImages(parts) != querytest.DescribeImages(want) {
					t.Fatalf("at %d in parts of %s\n got %s\nwant %s", seq, s, querytest.DescribeImages(parts), querytest.DescribeImages(want))
				}
				if n, err := Count(snap, s); n != len(want) || err != nil {
					t.Fatalf("count %s: %d, want %d: %v", s, n, len(want), err)
				}
				if len(want) == 0 {
					continue
				}
				after := want[0]
				rest, err := s.Read(snap, after, 3)
				if err != nil {
					t.Fatal(err)
				}
				q.Limit, q.Offset = 0, 0
				whole := q.Answer(all)
				at := slices.Index(whole, after) + 1
				if want := whole[at:min(at+3, len(whole))]; querytest.DescribeImages(rest) != querytest.DescribeImages(want) {
					t.Fatalf("%s after %s\n got %s\nwant %s", s, after.ID[20:], querytest.DescribeImages(rest), querytest.DescribeImages(want))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// inParts reads a scope in views of their own, each of a few records.
func inParts(t *testing.T, r *rand.Rand, st *store.Store, seq uint64, s *Scope) []*record.Image {
	t.Helper()
	reader, walk := s.Reader(nil, s.End()), s.Walk()
	ended, counted, found := false, false, map[record.ID]bool{}
	for !ended || !counted {
		most := 1 + r.IntN(40)
		if err := st.ViewAt(t.Context(), seq, func(snap *store.Snapshot) (err error) {
			if !ended {
				ended, err = reader.Next(snap, most)
			}
			if err == nil && !counted {
				counted, err = walk.Next(snap, most, func(img *record.Image) bool {
					if found[img.ID] {
						t.Errorf("%s: the walk yields %s twice", s, img.ID)
					}
					found[img.ID] = true
					return true
				})
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, img := range reader.Images {
		if !found[img.ID] {
			t.Errorf("%s: the walk misses %s", s, img.ID)
		}
	}
	return Window(s, reader.Images)
}

func TestAWindowThatEndsBeyondAllNumbers(t *testing.T) {
	r, m := querytest.Rand(t), querytest.NewModels(t)
	st := querytest.OpenStore(t, m, store.Options{})
	querytest.FillStore(t, r, st, m, 20)
	for _, order := range [][]Order{nil, {{m.Things.Field("count"), true}}} {
		err := st.ViewAt(context.Background(), st.Seq(), func(snap *store.Snapshot) error {
			all, err := Fetch(snap, Scope{Model: m.Things, Order: order})
			if err != nil {
				return err
			}
			for offset, want := range map[int]int{0: len(all), 1: len(all) - 1, math.MaxInt: 0} {
				s := Scope{Model: m.Things, Order: order, Limit: math.MaxInt, Offset: offset}
				found, err := Fetch(snap, s)
				if err != nil || len(found) != want {
					t.Errorf("%s: %d records and %v; want %d", s, len(found), err, want)
				}
				if n, err := Count(snap, s); err != nil || n != want {
					t.Errorf("count %s: %d and %v; want %d", s, n, err, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
