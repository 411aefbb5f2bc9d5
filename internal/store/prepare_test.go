package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// TestPreparedRows changes records and prepares them, in any order and in batches of any
// size, and compares what is stale with a naive account of it.
func TestPreparedRows(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	b := newCities(t)
	cities := b.Model("cities")
	table := Table{From: "cities", To: "cities", Model: cities}
	versions, prepared, key := map[record.ID]uint64{}, map[record.ID]uint64{}, "a"
	ids := func() []record.ID { return slices.Sorted(maps.Keys(versions)) }
	for range 400 {
		switch n := random.IntN(10); {
		case n < 4:
			rec := &plainCity{Name: fmt.Sprint(random.Int()), Zip: "1"}
			b.do(func(tx *Tx) error { _, err := tx.Create(cities, rec); return err })
			versions[rec.ID] = b.Seq()
		case n < 5 && len(versions) > 0:
			id := ids()[random.IntN(len(versions))]
			b.do(func(tx *Tx) error { return tx.Delete(cities, id) })
			delete(versions, id)
		case n < 7 && len(versions) > 0:
			id := ids()[random.IntN(len(versions))]
			b.do(func(tx *Tx) error {
				_, err := tx.Update(cities, id, func(rec any) error { rec.(*plainCity).Zip = fmt.Sprint(random.Int()); return nil })
				return err
			})
			versions[id] = b.Seq()
		case n == 9 && random.IntN(10) == 0:
			key, prepared = fmt.Sprint(random.Int()), map[record.ID]uint64{}
		default:
			after := record.ID("")
			for passes := random.IntN(4); passes >= 0; passes-- {
				rows, next, err := b.Stale(key, table, after, 1+random.IntN(5))
				if err != nil {
					t.Fatal(err)
				}
				if len(rows) > 0 {
					if err := b.Prepare(key, table, rows); err != nil {
						t.Fatal(err)
					}
				}
				for _, row := range rows {
					prepared[row.ID] = row.Version
					if row.Version == 0 {
						delete(prepared, row.ID)
					}
				}
				if after = next; after == "" {
					break
				}
			}
		}
		want := map[record.ID]uint64{}
		for id, version := range versions {
			if prepared[id] != version {
				want[id] = version
			}
		}
		for id := range prepared {
			if versions[id] == 0 {
				want[id] = 0
			}
		}
		if got := allStale(t, b.Store, key, table, random); !maps.Equal(got, want) {
			t.Fatalf("stale are %v, not %v", got, want)
		}
	}
}

func allStale(t *testing.T, s *Store, key string, table Table, random *rand.Rand) map[record.ID]uint64 {
	t.Helper()
	found := map[record.ID]uint64{}
	for after := record.ID(""); ; {
		rows, next, err := s.Stale(key, table, after, 1+random.IntN(7))
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if _, twice := found[row.ID]; twice {
				t.Fatalf("%s twice", row.ID)
			}
			found[row.ID] = row.Version
			if row.Version > 0 && !bytes.Contains(row.Public, []byte(row.ID)) {
				t.Fatalf("%s is %s", row.ID, row.Public)
			}
		}
		if after = next; after == "" {
			return found
		}
	}
}

func TestInspect(t *testing.T) {
	b := newCities(t, "Ulm")
	path := b.path
	var inUse *InUseError
	if err := Inspect(path, func(*Store) error { return nil }); !errors.As(err, &inUse) {
		t.Errorf("a file that is open: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	err := Inspect(path, func(s *Store) error {
		r, err := s.Remembered()
		if err != nil || r.Fresh || r.Model("cities") == nil || r.Model("posts") != nil {
			t.Errorf("%+v, %v", r, err)
		}
		rows, next, err := s.Stale("", Table{From: "cities"}, "", 10)
		if err != nil || len(rows) != 1 || next != "" {
			t.Errorf("%v, %q, %v", rows, next, err)
		}
		return nil
	})
	if after, _ := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed: %v", err)
	}
	err = Inspect(path+".none", func(s *Store) error {
		r, err := s.Remembered()
		if !r.Fresh {
			t.Errorf("%+v", r)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A file of an earlier version states the names of fields alone.
func TestAFileThatRemembersNothing(t *testing.T) {
	b := newCities(t, "Ulm")
	if err := b.update(func(btx *bolt.Tx) error { return btx.DeleteBucket(migrationsBucket) }); err != nil {
		t.Fatal(err)
	}
	r, err := b.Remembered()
	if err != nil || !r.Names || r.Model("cities").Field("zip") == nil || r.Model("cities").Field("zip").Type != "" {
		t.Errorf("%+v, %v", r, err)
	}
	openCities(t, b, &plainCity{})
	if r, err = b.Remembered(); err != nil || r.Names || r.Model("cities").Field("zip").Type != "string" {
		t.Errorf("%+v, %v", r, err)
	}
}

// What was prepared stays while the same build opens the file, and goes when another does
// that has nothing to take over.
func TestWhatWasPreparedGoes(t *testing.T) {
	b := newCities(t, "Ulm")
	table := Table{From: "cities", To: "cities"}
	rows, _, err := b.Stale("a", table, "", 10)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	if err := b.Prepare("a", table, rows); err != nil {
		t.Fatal(err)
	}
	stale := func(want int) {
		t.Helper()
		if rows, _, err := b.Stale("a", table, "", 10); err != nil || len(rows) != want {
			t.Errorf("%d rows are stale, not %d: %v", len(rows), want, err)
		}
	}
	stale(0)
	openCities(t, b, &plainCity{})
	stale(0)
	openCities(t, b, &privateCity{})
	stale(1)
}
