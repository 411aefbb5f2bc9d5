package migrate_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/migrate"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A post that names its author, and one that refers to it.
type (
	namingPost struct {
		record.Record
		Author string `json:"author"`
	}
	referringPost struct {
		record.Record
		AuthorID record.ID `json:"authorId" tower:"ref=authors,index"`
	}
	author struct {
		record.Record
		Name  string    `json:"name" tower:"unique"`
		Hint  string    `json:"hint" tower:"index"`
		City  record.ID `json:"city" tower:"ref=cities"`
		First string    `json:"first" tower:"private"`
	}
	city struct {
		record.Record
		Name string `json:"name" tower:"index"`
	}
)

func models(t *testing.T, prototypes map[string]any) (all []*record.Model) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(prototypes)) {
		m, err := record.NewModel(name, prototypes[name])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// splitting makes authors of the names in posts, and cities of the last letters of authors.
func splitting() []migrate.Migration {
	return []migrate.Migration{
		{ID: "1", Steps: []migrate.Step{{Effect: store.Effect{Kind: migrate.Split, Model: "posts", To: "people"}, Make: func(r *record.Raw, make func(string) *record.Raw) error {
			if !r.Has("author") {
				return nil
			}
			made := make(get[string](r, "author"))
			made.Members["name"] = r.Members["author"]
			set(made, "of", r.ID)
			set(r, "authorId", made.ID)
			delete(r.Members, "author")
			return nil
		}}}},
		{ID: "2", Steps: []migrate.Step{
			migrate.Renames("people", "of", "hint"),
			{Effect: store.Effect{Kind: store.RenameModel, Model: "people", To: "authors"}},
			{Effect: store.Effect{Kind: migrate.Split, Model: "authors", To: "cities"}, Make: func(r *record.Raw, make func(string) *record.Raw) error {
				name := get[string](r, "name")
				made := make(name[len(name)-1:])
				set(made, "name", name[len(name)-1:])
				set(r, "city", made.ID)
				set(r, "first", name[:1])
				return nil
			}},
		}},
	}
}

// TestSplit makes records of others that change meanwhile, in any order, and compares with one
// naive run.
func TestSplit(t *testing.T) {
	for run := range 10 {
		seed := uint64(time.Now().UnixNano()) + uint64(run)
		t.Run(fmt.Sprint(seed), func(t *testing.T) { split(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func split(t *testing.T, random *rand.Rand) {
	path := filepath.Join(t.TempDir(), "a.db")
	old := models(t, map[string]any{"posts": &namingPost{}})
	now := models(t, map[string]any{"authors": &author{}, "cities": &city{}, "posts": &referringPost{}})
	s, err := store.Open(path, (&migrate.Opening{Models: old}).Options(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		return fmt.Sprint("a", random.IntN(1<<random.IntN(6)))
	}
	posts := map[record.ID]*namingPost{}
	ids := func() []record.ID { return slices.Sorted(maps.Keys(posts)) }
	for range 60 {
		_, err := s.Update(t.Context(), "test", func(tx *store.Tx) error {
			switch n := random.IntN(4); {
			case n > 1 || len(posts) == 0:
				post := &namingPost{Author: name()}
				_, err := tx.Create(old[0], post)
				posts[post.ID] = post
				return err
			case n == 1:
				id := ids()[random.IntN(len(posts))]
				posts[id].Author = name()
				image, err := tx.Update(old[0], id, func(rec any) error { rec.(*namingPost).Author = posts[id].Author; return nil })
				if err == nil {
					var rec any
					rec, err = image.Copy()
					posts[id] = rec.(*namingPost)
				}
				return err
			default:
				id := ids()[random.IntN(len(posts))]
				delete(posts, id)
				return tx.Delete(old[0], id)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(6) == 0 {
			before, err := s.Remembered()
			if err == nil {
				_, err = migrate.PendingOf(before, now, splitting()).Prepare(t.Context(), migrate.Local(s), nil)
			}
			if err == nil {
				err = s.Check(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	report, err := migrate.Report(t.Context(), migrate.Local(s), now, splitting())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(path, (&migrate.Opening{Models: now, Migrations: splitting(), Run: true, Strict: true}).Options(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	var want []string
	authors, cities := map[string]bool{}, map[string]bool{}
	for _, id := range ids() { // in their order: the first of a name makes the author
		p := posts[id]
		made, place := record.DeriveID("people", p.Author), p.Author[len(p.Author)-1:]
		want = append(want, fmt.Sprint("post ", id, " ", made))
		if !authors[p.Author] {
			authors[p.Author] = true
			want = append(want, fmt.Sprint("author ", made, " ", p.Author, " ", id, " ", record.DeriveID("cities", place), " a ", p.CreatedAt, p.UpdatedAt))
		}
		if !cities[place] {
			cities[place] = true
			want = append(want, fmt.Sprint("city ", record.DeriveID("cities", place), " ", place, " ", p.CreatedAt))
		}
	}
	if got := everyRecord(t, s, now); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("there are\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(slices.Sorted(slices.Values(want)), "\n"))
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if made := report.Pending[0].Steps[0].Made; made != len(authors) {
		t.Errorf("the plan says that it makes %d authors, not %d", made, len(authors))
	}
}

func everyRecord(t *testing.T, s *store.Store, all []*record.Model) (lines []string) {
	t.Helper()
	err := s.View(t.Context(), func(snap *store.Snapshot) error {
		for _, m := range all {
			err := snap.Scan(m, store.Range{}, func(image *record.Image) bool {
				rec, err := image.Record()
				if err != nil {
					t.Error(err)
				}
				switch r := rec.(type) {
				case *referringPost:
					lines = append(lines, fmt.Sprint("post ", r.ID, " ", r.AuthorID))
				case *author:
					lines = append(lines, fmt.Sprint("author ", r.ID, " ", r.Name, " ", r.Hint, " ", r.City, " ", r.First, " ", r.CreatedAt, r.UpdatedAt))
				case *city:
					lines = append(lines, fmt.Sprint("city ", r.ID, " ", r.Name, " ", r.CreatedAt))
				}
				return true
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
	slices.Sort(lines)
	return lines
}

// What cannot be split is said, and changes nothing.
func TestSplitsThatCannotBe(t *testing.T) {
	step := func(to string, make func(*record.Raw, func(string) *record.Raw) error) []migrate.Migration {
		return []migrate.Migration{{ID: "1", Steps: []migrate.Step{{Effect: store.Effect{Kind: migrate.Split, Model: "posts", To: to}, Make: make}}}}
	}
	for _, test := range []struct {
		all  []migrate.Migration
		want string
	}{
		{step("cities", func(*record.Raw, func(string) *record.Raw) error { return nil }), "cities cannot be split off other records: there are some already"},
		{step("posts", func(*record.Raw, func(string) *record.Raw) error { return nil }), "posts cannot be split off other records: there are some already"},
		{step("authors", func(*record.Raw, func(string) *record.Raw) error { panic("oh") }), "split authors off posts: posts/"},
		{step("authors", func(_ *record.Raw, make func(string) *record.Raw) error {
			set(make("a"), "id", "b")
			return nil
		}), "it changed id, which a migration cannot"},
		{step("authors", func(_ *record.Raw, make func(string) *record.Raw) error {
			make("a").Members["name"] = json.RawMessage("{")
			return nil
		}), "it set name to what is not JSON"},
		{step("authors", func(r *record.Raw, _ func(string) *record.Raw) error {
			delete(r.Members, "createdAt")
			return nil
		}), "it dropped createdAt, which a migration cannot"},
	} {
		path := filepath.Join(t.TempDir(), "a.db")
		old := models(t, map[string]any{"posts": &namingPost{}, "cities": &city{}})
		s, err := store.Open(path, (&migrate.Opening{Models: old}).Options(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		create(t, s, old[0], &city{Name: "Ulm"})
		create(t, s, old[1], &namingPost{Author: "ada"})
		digest, err := s.Digest(t.Context(), s.Seq())
		if err != nil {
			t.Fatal(err)
		}
		now := models(t, map[string]any{"authors": &author{}, "cities": &city{}, "posts": &referringPost{}})
		if report, err := migrate.Report(t.Context(), migrate.Local(s), now, test.all); err != nil || len(report.Taken) == 0 && report.Pending[0].Steps[0].Failed == 0 {
			t.Errorf("%s: the plan says nothing: %+v, %v", test.want, report, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = store.Open(path, (&migrate.Opening{Models: now, Migrations: test.all, Run: true}).Options(t.Context()))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("the error is %v, not %s", err, test.want)
		}
		if s, err = store.Open(path, (&migrate.Opening{Models: old}).Options(context.Background())); err != nil {
			t.Fatal(err)
		}
		if after, err := s.Digest(t.Context(), s.Seq()); cmp.Or(err, s.Close()) != nil || after != digest {
			t.Errorf("%s: the records have changed: %v", test.want, err)
		}
	}
}
