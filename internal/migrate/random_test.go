package migrate_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/migrate"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// TestNothingIsLostByBuilds opens a file by one random build after another, which name
// other fields, some by tags that rename. Each build writes. Whatever was written and not
// overwritten must be in the file, and under the field's own name if the build before had
// it.
func TestNothingIsLostByBuilds(t *testing.T) {
	for run := range 20 {
		seed := uint64(time.Now().UnixNano()) + uint64(run)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			builds(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

var fieldNames = []string{"a", "b", "c", "d", "e"}

// A build is a model of texts with its fields' names and former names.
type build struct {
	model *record.Model
	was   map[string]string
}

func someBuild(t *testing.T, random *rand.Rand) build {
	fields := []reflect.StructField{{Name: "Record", Type: reflect.TypeFor[record.Record](), Anonymous: true}}
	order, was := random.Perm(len(fieldNames)), map[string]string{}
	named := 1 + random.IntN(len(order))
	left := order[named:]
	for _, i := range order[:named] {
		name, tag := fieldNames[i], ""
		if len(left) > 0 && random.IntN(3) == 0 {
			was[name], left = fieldNames[left[0]], left[1:]
			tag = ` tower:"was=` + was[name] + `"`
		} else {
			was[name] = ""
		}
		fields = append(fields, reflect.StructField{Name: strings.ToUpper(name), Type: reflect.TypeFor[string](), Tag: reflect.StructTag(`json:"` + name + `"` + tag)})
	}
	return build{model(t, reflect.New(reflect.StructOf(fields)).Interface()), was}
}

func builds(t *testing.T, random *rand.Rand) {
	path := filepath.Join(t.TempDir(), "a.db")
	want := map[record.ID]map[string]string{} // the values by the names under which they were written last
	before := build{}
	for i := range 12 {
		b := someBuild(t, random)
		s, err := store.Open(path, (&migrate.Opening{Models: []*record.Model{b.model}, Strict: true}).Options(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		found := members(t, s)
		if len(found) != len(want) {
			t.Fatalf("%d records, not %d", len(found), len(want))
		}
		for id, values := range want {
			for name, value := range values {
				if !slices.Contains(slices.Collect(maps.Values(found[id])), value) {
					t.Fatalf("build %d: %s was %s, and has been lost: %v", i, name, value, found[id])
				}
				_, had := before.was[name]
				if _, has := b.was[name]; has && had && found[id][name] != value {
					t.Fatalf("build %d: %s was %s, and is %s", i, name, value, found[id][name])
				}
			}
			for name, was := range b.was {
				_, had := before.was[was]
				if _, named := before.was[name]; was != "" && had && !named && values[was] != "" && found[id][name] != values[was] && found[id][name] == "" {
					t.Fatalf("build %d: %s was %s as %s, and is %q", i, name, values[was], was, found[id][name])
				}
			}
		}
		write(t, s, b, random, i, want, found)
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before = b
	}
}

// members returns the texts of all records, by the names under which they are stored.
func members(t *testing.T, s *store.Store) map[record.ID]map[string]string {
	t.Helper()
	found := map[record.ID]map[string]string{}
	rows, _, err := s.Stale("", store.Table{From: "posts"}, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		raw, err := record.ParseRaw(row.ID, row.Public, row.Private)
		if err != nil {
			t.Fatal(err)
		}
		found[row.ID] = map[string]string{}
		for _, name := range fieldNames {
			if raw.Has(name) {
				found[row.ID][name] = get[string](raw, name)
			}
		}
	}
	return found
}

// write creates a record, changes some, and notes in want what is stored then.
func write(t *testing.T, s *store.Store, b build, random *rand.Rand, i int, want, found map[record.ID]map[string]string) {
	t.Helper()
	set := func(rec any, name string) {
		reflect.ValueOf(rec).Elem().FieldByName(strings.ToUpper(name)).SetString(fmt.Sprintf("%s%d-%d", name, i, random.Int()))
	}
	_, err := s.Update(t.Context(), "test", func(tx *store.Tx) error {
		rec := b.model.New()
		for name := range b.was {
			set(rec, name)
		}
		if _, err := tx.Create(b.model, rec); err != nil {
			return err
		}
		for id := range found {
			if random.IntN(2) == 0 {
				continue
			}
			_, err := tx.Update(b.model, id, func(rec any) error {
				for name := range b.was {
					if random.IntN(2) == 0 {
						set(rec, name)
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	clear(want)
	for id, values := range members(t, s) {
		want[id] = map[string]string{}
		for name, value := range values {
			if value != "" {
				want[id][name] = value
			}
		}
	}
}
