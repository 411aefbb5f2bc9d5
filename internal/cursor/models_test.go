package cursor

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A thing has a field of every kind.
type thing struct {
	record.Record
	Flag   bool              `json:"flag" tower:"index"`
	Count  int               `json:"count" tower:"index"`
	Size   uint8             `json:"size"`
	Ratio  float64           `json:"ratio" tower:"index"`
	Title  string            `json:"title" tower:"index"`
	Note   *string           `json:"note"`
	Slug   *string           `json:"slug" tower:"unique"`
	Owner  record.ID         `json:"owner" tower:"ref=users,index"`
	Due    time.Time         `json:"due" tower:"index"`
	Done   *time.Time        `json:"done"`
	Tags   []string          `json:"tags"`
	Codes  []int             `json:"codes"`
	Extra  map[string]string `json:"extra"`
	Secret string            `json:"secret" tower:"private"`
}

type user struct {
	record.Record
	Name  string `json:"name" tower:"unique"`
	Level int    `json:"level"`
}

// Models are made anew for each test, as an application would make them once.
type models struct{ things, users *record.Model }

func newModels(t testing.TB) models {
	t.Helper()
	things, err := record.NewModel("things", &thing{})
	if err != nil {
		t.Fatal(err)
	}
	users, err := record.NewModel("users", &user{})
	if err != nil {
		t.Fatal(err)
	}
	return models{things, users}
}

func openStore(t testing.TB, m models, o store.Options) *store.Store {
	t.Helper()
	return openStoreAt(t, filepath.Join(t.TempDir(), "test.db"), m, o)
}

// openStoreAt opens a store that closes when the test ends, if not before.
func openStoreAt(t testing.TB, path string, m models, o store.Options) *store.Store {
	t.Helper()
	o.Models = []*record.Model{m.things, m.users}
	st, err := store.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func commit(t testing.TB, st *store.Store, fn func(*store.Tx) error) store.Commit {
	t.Helper()
	c, err := st.Update(context.Background(), "test", fn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(t testing.TB, st *store.Store, m *record.Model, records ...any) {
	t.Helper()
	commit(t, st, func(tx *store.Tx) error {
		for _, r := range records {
			if _, err := tx.Create(m, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func runEngine(t testing.TB, e interface{ Run(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The domains that random values come from are small, so that much matches, and
// ties.
var (
	titles = []string{"", "a", "ab", "abc", "b", "ba", "z\x00", "z"}
	colors = []string{"red", "green", "blue"}
	ratios = []float64{-1, -0.1, 0, 0.1, 0.3, 1e17}
	epoch  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func randomTime(r *rand.Rand) time.Time {
	if r.IntN(4) == 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(r.IntN(4)) * 1500 * time.Microsecond)
}

func maybe[T any](r *rand.Rand, v T) *T {
	if r.IntN(3) == 0 {
		return nil
	}
	return &v
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// fill gives all fields of a thing random values.
func (x *thing) fill(r *rand.Rand, users []record.ID) {
	x.Flag = r.IntN(2) == 0
	x.Count = r.IntN(6) - 2
	x.Size = uint8(r.IntN(4))
	x.Ratio = pick(r, ratios)
	x.Title = pick(r, titles)
	x.Note = maybe(r, pick(r, titles))
	x.Slug = maybe(r, fmt.Sprint("s", r.IntN(400)))
	if x.Owner = ""; r.IntN(4) > 0 {
		x.Owner = pick(r, users)
	}
	x.Due = randomTime(r)
	x.Done = maybe(r, randomTime(r))
	x.Tags, x.Codes, x.Extra = nil, nil, nil
	for range r.IntN(3) {
		x.Tags = append(x.Tags, pick(r, colors))
		x.Codes = append(x.Codes, r.IntN(3))
		x.Extra = map[string]string{"k": "v"}
	}
	x.Secret = pick(r, titles)
}

// touch changes one field or another.
func (x *thing) touch(r *rand.Rand, users []record.ID) {
	var other thing
	other.fill(r, users)
	switch r.IntN(8) {
	case 0:
		x.Flag = !x.Flag
	case 1:
		x.Count = other.Count
	case 2:
		x.Title = other.Title
	case 3:
		x.Owner = other.Owner
	case 4:
		x.Due, x.Done = other.Due, other.Done
	case 5:
		x.Tags, x.Codes, x.Extra = other.Tags, other.Codes, other.Extra
	case 6:
		x.Note, x.Secret, x.Size = other.Note, other.Secret, other.Size
	default:
		x.fill(r, users)
	}
}

// plain reads a field of a thing without the store's help: nil where it is null.
var plain = map[string]func(*thing) any{
	"id":        func(x *thing) any { return string(x.ID) },
	"createdAt": func(x *thing) any { return x.CreatedAt },
	"flag":      func(x *thing) any { return x.Flag },
	"count":     func(x *thing) any { return x.Count },
	"size":      func(x *thing) any { return int(x.Size) },
	"ratio":     func(x *thing) any { return x.Ratio },
	"title":     func(x *thing) any { return x.Title },
	"note":      func(x *thing) any { return deref(x.Note) },
	"slug":      func(x *thing) any { return deref(x.Slug) },
	"owner":     func(x *thing) any { return unless(string(x.Owner), x.Owner == "") },
	"due":       func(x *thing) any { return unless(x.Due, x.Due.IsZero()) },
	"done":      func(x *thing) any { return unless(deref(x.Done), x.Done == nil || x.Done.IsZero()) },
	"secret":    func(x *thing) any { return x.Secret },
	"tags":      func(x *thing) any { return unless(x.Tags, x.Tags == nil) },
	"codes":     func(x *thing) any { return unless(x.Codes, x.Codes == nil) },
	"extra":     func(x *thing) any { return unless(x.Extra, x.Extra == nil) },
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func unless(v any, absent bool) any {
	if absent {
		return nil
	}
	return v
}

func imageOf(t testing.TB, m *record.Model, rec any) *record.Image {
	t.Helper()
	data, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	img := &record.Image{Model: m, ID: "01JDA7Q4Z3M8X2V6K9T5B1C0RW", Version: 1, JSON: data}
	if _, err := img.Record(); err != nil {
		t.Fatal(err)
	}
	return img
}

// decode reads JSON as a client's frame is read.
func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	var where map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&where); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return where
}

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
