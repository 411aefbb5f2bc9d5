package querytest

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

// A Thing has a field of every kind.
type Thing struct {
	record.Record
	Flag   bool              `json:"flag" tower:"index"`
	Count  int               `json:"count" tower:"index"`
	Size   uint8             `json:"size"`
	Ratio  float64           `json:"ratio" tower:"index"`
	Title  string            `json:"title" tower:"index"`
	Note   *string           `json:"note" tower:"index,sparse"`
	Slug   *string           `json:"slug" tower:"unique"`
	Owner  record.ID         `json:"owner" tower:"ref=users,index"`
	Due    time.Time         `json:"due" tower:"index"`
	Done   *time.Time        `json:"done"`
	Tags   []string          `json:"tags"`
	Codes  []int             `json:"codes"`
	Extra  map[string]string `json:"extra"`
	Secret string            `json:"secret" tower:"private,index,sparse"`
}

type User struct {
	record.Record
	Name  string `json:"name" tower:"unique"`
	Level int    `json:"level"`
}

// Models are made again for each test; an application makes them once.
type Models struct{ Things, Users *record.Model }

func NewModels(t testing.TB) Models {
	t.Helper()
	things, err := record.NewModel("things", &Thing{})
	if err != nil {
		t.Fatal(err)
	}
	users, err := record.NewModel("users", &User{})
	if err != nil {
		t.Fatal(err)
	}
	return Models{things, users}
}

func OpenStore(t testing.TB, m Models, o store.Options) *store.Store {
	t.Helper()
	return OpenStoreAt(t, filepath.Join(t.TempDir(), "test.db"), m, o)
}

// OpenStoreAt opens a store that closes at the end of the test, if not before.
func OpenStoreAt(t testing.TB, path string, m Models, o store.Options) *store.Store {
	t.Helper()
	o.Models = []*record.Model{m.Things, m.Users}
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

func Commit(t testing.TB, st *store.Store, fn func(*store.Tx) error) store.Commit {
	t.Helper()
	c, err := st.Update(context.Background(), "test", fn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func Create(t testing.TB, st *store.Store, m *record.Model, records ...any) {
	t.Helper()
	Commit(t, st, func(tx *store.Tx) error {
		for _, r := range records {
			if _, err := tx.Create(m, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func RunEngine(t testing.TB, e interface{ Run(context.Context) error }) {
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

// Random values come from small domains, so that many records match, and tie.
var (
	titles = []string{"", "a", "ab", "abc", "b", "ba", "z\x00", "z"}
	Colors = []string{"red", "green", "blue"}
	ratios = []float64{-1, -0.1, 0, 0.1, 0.3, 1e17}
	Epoch  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func randomTime(r *rand.Rand) time.Time {
	if r.IntN(4) == 0 {
		return time.Time{}
	}
	return Epoch.Add(time.Duration(r.IntN(4)) * 1500 * time.Microsecond)
}

func Maybe[T any](r *rand.Rand, v T) *T {
	if r.IntN(3) == 0 {
		return nil
	}
	return &v
}

func Pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// Fill sets all fields of a thing to random values.
func (x *Thing) Fill(r *rand.Rand, users []record.ID) {
	x.Flag = r.IntN(2) == 0
	x.Count = r.IntN(6) - 2
	x.Size = uint8(r.IntN(4))
	x.Ratio = Pick(r, ratios)
	x.Title = Pick(r, titles)
	x.Note = Maybe(r, Pick(r, titles))
	x.Slug = Maybe(r, fmt.Sprint("s", r.IntN(400)))
	if x.Owner = ""; r.IntN(4) > 0 {
		x.Owner = Pick(r, users)
	}
	x.Due = randomTime(r)
	x.Done = Maybe(r, randomTime(r))
	x.Tags, x.Codes, x.Extra = nil, nil, nil
	for range r.IntN(3) {
		x.Tags = append(x.Tags, Pick(r, Colors))
		x.Codes = append(x.Codes, r.IntN(3))
		x.Extra = map[string]string{"k": "v"}
	}
	x.Secret = Pick(r, titles)
}

// Touch changes a random field.
func (x *Thing) Touch(r *rand.Rand, users []record.ID) {
	var other Thing
	other.Fill(r, users)
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
		x.Fill(r, users)
	}
}

// Plain reads a field of a thing without the store's help; nil is null.
var Plain = map[string]func(*Thing) any{
	"id":        func(x *Thing) any { return string(x.ID) },
	"createdAt": func(x *Thing) any { return x.CreatedAt },
	"flag":      func(x *Thing) any { return x.Flag },
	"count":     func(x *Thing) any { return x.Count },
	"size":      func(x *Thing) any { return int(x.Size) },
	"ratio":     func(x *Thing) any { return x.Ratio },
	"title":     func(x *Thing) any { return x.Title },
	"note":      func(x *Thing) any { return deref(x.Note) },
	"slug":      func(x *Thing) any { return deref(x.Slug) },
	"owner":     func(x *Thing) any { return unless(string(x.Owner), x.Owner == "") },
	"due":       func(x *Thing) any { return unless(x.Due, x.Due.IsZero()) },
	"done":      func(x *Thing) any { return unless(deref(x.Done), x.Done == nil || x.Done.IsZero()) },
	"secret":    func(x *Thing) any { return x.Secret },
	"tags":      func(x *Thing) any { return unless(x.Tags, x.Tags == nil) },
	"codes":     func(x *Thing) any { return unless(x.Codes, x.Codes == nil) },
	"extra":     func(x *Thing) any { return unless(x.Extra, x.Extra == nil) },
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

func ImageOf(t testing.TB, m *record.Model, rec any) *record.Image {
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

// DecodeJSON decodes JSON as the server decodes a client's frame.
func DecodeJSON(t testing.TB, text string) map[string]any {
	t.Helper()
	var where map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&where); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return where
}

// Rand returns a source whose seed a failing test prints.
func Rand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

func DescribeImages(images []*record.Image) string {
	text := ""
	for _, img := range images {
		text += fmt.Sprintf("%s@%d ", img.ID[20:], img.Version)
	}
	return text
}

// FillStore creates users and things in several commits and returns their ids.
func FillStore(t testing.TB, r *rand.Rand, st *store.Store, m Models, n int) (users, things []record.ID) {
	for i := range 3 {
		u := &User{Name: fmt.Sprint("u", i)}
		Create(t, st, m.Users, u)
		users = append(users, u.ID)
	}
	for len(things) < n {
		Commit(t, st, func(tx *store.Tx) error {
			for range 10 {
				x := &Thing{}
				x.Fill(r, users)
				x.Slug = nil
				if _, err := tx.Create(m.Things, x); err != nil {
					return err
				}
				things = append(things, x.ID)
			}
			return nil
		})
	}
	return users, things
}

func AllImages(t testing.TB, snap *store.Snapshot, m *record.Model) map[record.ID]*record.Image {
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
