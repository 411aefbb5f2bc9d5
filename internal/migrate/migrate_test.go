package migrate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/migrate"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// The post of an older build, and that of a newer one.
type (
	oldPost struct {
		record.Record
		Title string `json:"title" tower:"index"`
		Views string `json:"views"`
		Name  string `json:"name"`
		Draft bool   `json:"draft"`
	}
	newPost struct {
		record.Record
		Headline string `json:"headline" tower:"index"`
		Views    int    `json:"views" tower:"index"`
		First    string `json:"first" tower:"private"`
		Last     string `json:"last"`
		Slug     string `json:"slug" tower:"unique"`
	}
)

func model(t *testing.T, prototype any) *record.Model {
	t.Helper()
	m, err := record.NewModel("posts", prototype)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func set(r *record.Raw, name string, value any) {
	r.Members[name], _ = json.Marshal(value)
}

func get[T any](r *record.Raw, name string) (value T) {
	_ = json.Unmarshal(r.Members[name], &value)
	return value
}

// steps leads from the old post to the new one.
func steps() []migrate.Migration {
	return []migrate.Migration{
		{ID: "1", Steps: []migrate.Step{
			migrate.Renames("posts", "title", "headline"),
			{Effect: store.Effect{Kind: migrate.Retype, Model: "posts", Field: "views"}, Apply: func(r *record.Raw) error {
				n, err := strconv.Atoi(get[string](r, "views"))
				set(r, "views", n)
				return err
			}},
		}},
		{ID: "2", Steps: []migrate.Step{
			{Effect: store.Effect{Kind: migrate.Each, Model: "posts"}, Apply: func(r *record.Raw) error {
				first, last, _ := strings.Cut(get[string](r, "name"), " ")
				set(r, "first", first)
				set(r, "last", last)
				return nil
			}},
			migrate.Drops("posts", "name"),
			migrate.Drops("posts", "draft"),
			{Effect: store.Effect{Kind: migrate.Fill, Model: "posts", Field: "slug"}, Apply: func(r *record.Raw) error {
				set(r, "slug", strings.ToLower(get[string](r, "headline"))+"-"+string(r.ID))
				return nil
			}},
		}},
	}
}

// open opens the file by a build with a model and migrations.
func open(t *testing.T, path string, m *record.Model, o *migrate.Opening) (*store.Store, error) {
	t.Helper()
	o.Models = []*record.Model{m}
	s, err := store.Open(path, o.Options(context.Background()))
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func create(t *testing.T, s *store.Store, m *record.Model, records ...any) {
	t.Helper()
	_, err := s.Update(context.Background(), "test", func(tx *store.Tx) error {
		for _, r := range records {
			if _, err := tx.Create(m, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func posts[T any](t *testing.T, s *store.Store, m *record.Model) (all []*T) {
	t.Helper()
	err := s.View(context.Background(), func(snap *store.Snapshot) error {
		return snap.Scan(m, store.Range{}, func(image *record.Image) bool {
			post, err := image.Copy()
			if err != nil {
				t.Error(err)
			}
			all = append(all, post.(*T))
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	old, now := model(t, &oldPost{}), model(t, &newPost{})
	s, err := open(t, path, old, &migrate.Opening{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 11 {
		create(t, s, old, &oldPost{Title: fmt.Sprintf("Title %d", i), Views: strconv.Itoa(i), Name: "Ada Lovelace"})
	}
	seq := s.Seq()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var pending *migrate.PendingError
	if _, err = open(t, path, now, &migrate.Opening{Strict: true, Migrations: steps()}); !errors.As(err, &pending) || len(pending.Migrations) != 2 {
		t.Fatal(err)
	}
	var refused *migrate.RefusedError
	if _, err = open(t, path, now, &migrate.Opening{Strict: true}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "11 of 11 posts do not fit newPost") {
		t.Fatal(err)
	}
	s, err = open(t, path, now, &migrate.Opening{Strict: true, Run: true, Migrations: steps()})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range posts[newPost](t, s, now) {
		if p.Headline != fmt.Sprintf("Title %d", i) || p.Views != i || p.First != "Ada" || p.Last != "Lovelace" || p.Slug != fmt.Sprintf("title %d-%s", i, p.ID) {
			t.Errorf("%+v", p)
		}
	}
	if err := s.Check(context.Background()); err != nil {
		t.Error(err)
	}
	if s.Seq() != seq+1 || s.LogStart() != seq+2 {
		t.Errorf("the log is from %d to %d", s.LogStart(), s.Seq())
	}
	remembered, err := s.Remembered()
	if err != nil || len(remembered.Done) != 2 || remembered.Done[0].Records != 11 {
		t.Errorf("%+v, %v", remembered, err)
	}
	create(t, s, now, &newPost{Slug: "x"})
}

// reopen closes the store and opens the file by another build.
func reopen(t *testing.T, s *store.Store, path string, m *record.Model, o *migrate.Opening) (*store.Store, error) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, path, m, o)
}

// A titled post, and builds that call the title otherwise.
type (
	titled struct {
		record.Record
		Title string `json:"title"`
		Body  string `json:"body"`
	}
	tagged struct {
		record.Record
		Headline string `json:"headline" tower:"was=title"`
		Body     string `json:"body"`
	}
	untagged struct {
		record.Record
		Headline string `json:"headline"`
		Body     string `json:"body"`
	}
)

func TestATagRenamesAndAnOlderBuildFindsItAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	old, now, plain := model(t, &titled{}), model(t, &tagged{}), model(t, &untagged{})
	s, err := open(t, path, old, &migrate.Opening{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, old, &titled{Title: "a", Body: "x"}, &titled{Title: "b"})

	o := &migrate.Opening{Strict: true}
	if s, err = reopen(t, s, path, now, o); err != nil {
		t.Fatal(err)
	}
	if got := posts[tagged](t, s, now); len(got) != 2 || got[0].Headline != "a" || got[1].Headline != "b" || got[0].Body != "x" {
		t.Errorf("%+v", got)
	}
	if len(o.Changes) != 1 || o.Changes[0].String() != "posts.title is called headline now" {
		t.Errorf("the changes are %v", o.Changes)
	}
	create(t, s, now, &tagged{Headline: "c"})

	// Back, and forward again.
	if s, err = reopen(t, s, path, old, &migrate.Opening{Strict: true}); err != nil {
		t.Fatal(err)
	}
	if got := posts[titled](t, s, old); len(got) != 3 || got[0].Title != "a" || got[2].Title != "c" || got[0].Body != "x" {
		t.Errorf("%+v", got)
	}
	if s, err = reopen(t, s, path, now, &migrate.Opening{Strict: true}); err != nil {
		t.Fatal(err)
	}
	if got := posts[tagged](t, s, now); len(got) != 3 || got[0].Headline != "a" || got[2].Headline != "c" {
		t.Errorf("%+v", got)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}

	// Without the tag the value stays where it is.
	if s, err = reopen(t, s, path, plain, &migrate.Opening{Strict: true}); err != nil {
		t.Fatal(err)
	}
	if got := posts[untagged](t, s, plain); got[0].Headline != "a" {
		t.Errorf("%+v", got)
	}
}

func TestATagThatComesLate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	old, now, plain := model(t, &titled{}), model(t, &tagged{}), model(t, &untagged{})
	s, err := open(t, path, old, &migrate.Opening{})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, old, &titled{Title: "a"}, &titled{Title: "b"})
	o := &migrate.Opening{}
	if s, err = reopen(t, s, path, plain, o); err != nil {
		t.Fatal(err)
	}
	if note := o.Note(); note == nil || !strings.Contains(note.Hint, `tower.Rename("posts", "title", "headline")`) || !strings.Contains(note.Hint, `tower:"was=title" at headline`) {
		t.Errorf("the note is %+v", note)
	}
	// The build that knows both names by the file's history suggests it still.
	report, err := migrate.Report(t.Context(), migrate.Local(s), []*record.Model{plain}, nil)
	if err != nil || report.Suggest == nil || report.Suggest.Steps[0] != `tower.Rename("posts", "title", "headline")` {
		t.Errorf("%+v, %v", report, err)
	}
	first := posts[untagged](t, s, plain)[0]
	if _, err := s.Update(t.Context(), "test", func(tx *store.Tx) error {
		_, err := tx.Update(plain, first.ID, func(rec any) error { rec.(*untagged).Headline = "mine"; return nil })
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if s, err = reopen(t, s, path, now, &migrate.Opening{}); err != nil {
		t.Fatal(err)
	}
	if got := posts[tagged](t, s, now); got[0].Headline != "mine" || got[1].Headline != "b" {
		t.Errorf("%+v", got)
	}
}

func TestRollBackOfAMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	old, now := model(t, &titled{}), model(t, &untagged{})
	rename := []migrate.Migration{{ID: "1", Steps: []migrate.Step{migrate.Renames("posts", "title", "headline")}}}
	drop := append(rename, migrate.Migration{ID: "2", Steps: []migrate.Step{migrate.Drops("posts", "body")}})
	s, err := open(t, path, old, &migrate.Opening{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, old, &titled{Title: "a", Body: "x"})
	if s, err = reopen(t, s, path, now, &migrate.Opening{Strict: true, Run: true, Migrations: rename}); err != nil {
		t.Fatal(err)
	}
	if s, err = reopen(t, s, path, old, &migrate.Opening{Strict: true}); err != nil {
		t.Fatal(err)
	}
	if got := posts[titled](t, s, old); got[0].Title != "a" || got[0].Body != "x" {
		t.Errorf("%+v", got[0])
	}
	create(t, s, old, &titled{Title: "b", Body: "y"})
	if s, err = reopen(t, s, path, now, &migrate.Opening{Strict: true, Migrations: rename}); err != nil {
		t.Fatal(err)
	}
	if got := posts[untagged](t, s, now); got[0].Headline != "a" || got[1].Headline != "b" {
		t.Errorf("%+v", got)
	}
	short := model(t, &struct {
		record.Record
		Headline string `json:"headline"`
	}{})
	if s, err = reopen(t, s, path, short, &migrate.Opening{Strict: true, Run: true, Migrations: drop}); err != nil {
		t.Fatal(err)
	}
	seq := s.Seq()
	_, err = reopen(t, s, path, old, &migrate.Opening{Strict: true})
	var refused *migrate.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "posts.body was dropped, by the migration 2") {
		t.Fatal(err)
	}
	if s, err = open(t, path, short, &migrate.Opening{Strict: true, Migrations: drop}); err != nil || s.Seq() != seq {
		t.Fatal(err)
	}
	// Development says so.
	o := &migrate.Opening{}
	if _, err = reopen(t, s, path, old, o); err != nil || len(o.Lost) != 1 {
		t.Fatal(err, o.Lost)
	}
}

func TestModelsAreRenamedAndDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	old := model(t, &titled{})
	articles, err := record.NewModel("articles", &untagged{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t, path, old, &migrate.Opening{})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, old, &titled{Title: "a"}, &titled{Title: "b"})
	whole := func(kind, to string) migrate.Step {
		return migrate.Step{Effect: store.Effect{Kind: kind, Model: "posts", To: to}}
	}
	all := []migrate.Migration{{ID: "1", Steps: []migrate.Step{
		migrate.Renames("posts", "title", "headline"), whole(store.RenameModel, "articles"), migrate.Drops("articles", "body"),
	}}}
	report, err := migrate.Report(t.Context(), migrate.Local(s), []*record.Model{articles}, all)
	if err != nil || fmt.Sprint(report.Pending[0].Steps) != `[{rename posts.title to headline 2 2 0 0 0 } {rename posts to articles 2 2 0 0 0 } {drop articles.body 2 2 0 2 0 }]` {
		t.Errorf("%+v, %v", report, err)
	}
	if s, err = reopen(t, s, path, articles, &migrate.Opening{Run: true, Migrations: all}); err != nil {
		t.Fatal(err)
	}
	if got := posts[untagged](t, s, articles); len(got) != 2 || got[0].Headline != "a" {
		t.Errorf("%+v", got)
	}
	if r, _ := s.Remembered(); r.Model("posts") != nil || r.Model("articles") == nil || r.Done[0].Records != 2 {
		t.Errorf("%+v", r)
	}
	users, err := record.NewModel("users", &titled{})
	if err != nil {
		t.Fatal(err)
	}
	dropped := append(all, migrate.Migration{ID: "2", Steps: []migrate.Step{{Effect: store.Effect{Kind: store.DropModel, Model: "articles"}}}})
	if s, err = reopen(t, s, path, users, &migrate.Opening{Run: true, Migrations: dropped}); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.Remembered(); len(r.Models) != 1 || r.Models[0].Name != "users" {
		t.Errorf("%+v", r)
	}
	if s, err = reopen(t, s, path, articles, &migrate.Opening{Run: true, Migrations: dropped}); err != nil {
		t.Fatal(err)
	}
	if got := posts[untagged](t, s, articles); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAStepThatFailsChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	m := model(t, &titled{})
	s, err := open(t, path, m, &migrate.Opening{})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, m, &titled{Title: "a"}, &titled{Title: "b"}, &titled{Title: "c"})
	for what, c := range map[string]struct {
		apply func(*record.Raw) error
		want  string
	}{
		"an error": {func(r *record.Raw) error {
			if get[string](r, "title") == "c" {
				return errors.New("not c")
			}
			set(r, "title", "x")
			return nil
		}, "migration 1: change each of posts: posts/"},
		"a panic":     {func(r *record.Raw) error { panic("oh") }, "panic: oh"},
		"an id":       {func(r *record.Raw) error { set(r, "id", "x"); return nil }, "it changed id"},
		"no id":       {func(r *record.Raw) error { delete(r.Members, "id"); return nil }, "it dropped id"},
		"a time":      {func(r *record.Raw) error { set(r, "updatedAt", "x"); return nil }, "it changed updatedAt"},
		"not JSON":    {func(r *record.Raw) error { r.Members["x"] = []byte("{"); return nil }, "it set x to what is not JSON"},
		"both fields": {migrate.Renames("posts", "title", "body").Apply, "it has body too"},
	} {
		if what == "both fields" {
			if s, err = reopen(t, s, path, m, &migrate.Opening{}); err != nil {
				t.Fatal(err)
			}
			create(t, s, m, &titled{Title: "d", Body: "e"})
		}
		before := fmt.Sprint(posts[titled](t, s, m))
		step := migrate.Step{Effect: store.Effect{Kind: migrate.Each, Model: "posts"}, Apply: c.apply}
		_, err := reopen(t, s, path, m, &migrate.Opening{Run: true, Migrations: []migrate.Migration{{ID: "1", Steps: []migrate.Step{step}}}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if s, err = open(t, path, m, &migrate.Opening{Strict: true}); err != nil {
			t.Fatal(err)
		}
		if len(before) == 0 || len(posts[titled](t, s, m)) < 3 || posts[titled](t, s, m)[0].Title != "a" {
			t.Errorf("%s: the records have changed", what)
		}
	}
}

func TestMigrationsThatCannotBe(t *testing.T) {
	for _, all := range [][]migrate.Migration{{{}}, {{ID: "1"}, {ID: "1"}}} {
		if migrate.Check(all) == nil {
			t.Errorf("%+v passes", all)
		}
	}
	path := filepath.Join(t.TempDir(), "a.db")
	m := model(t, &titled{})
	empty := []migrate.Migration{{ID: "1"}}
	s, err := open(t, path, m, &migrate.Opening{})
	if err != nil {
		t.Fatal(err)
	}
	// One that is still to be written is not pending, and runs later.
	if s, err = reopen(t, s, path, m, &migrate.Opening{Strict: true, Migrations: empty}); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.Remembered(); len(r.Done) != 0 {
		t.Errorf("done: %+v", r.Done)
	}
}

func TestAFreshStoreHasBeenThroughAll(t *testing.T) {
	m := model(t, &newPost{})
	s, err := open(t, filepath.Join(t.TempDir(), "a.db"), m, &migrate.Opening{Strict: true, Migrations: steps()})
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := s.Remembered(); len(r.Done) != 2 {
		t.Errorf("done: %+v", r.Done)
	}
}

func TestRenameChains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	old := model(t, &titled{})
	last := model(t, &struct {
		record.Record
		Caption string `json:"caption"`
		Body    string `json:"body"`
	}{})
	all := []migrate.Migration{
		{ID: "1", Steps: []migrate.Step{migrate.Renames("posts", "title", "headline")}},
		{ID: "2", Steps: []migrate.Step{migrate.Renames("posts", "headline", "caption")}},
	}
	s, err := open(t, path, old, &migrate.Opening{})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, old, &titled{Title: "a"})
	if s, err = reopen(t, s, path, last, &migrate.Opening{Run: true, Migrations: all}); err != nil {
		t.Fatal(err)
	}
	for _, image := range posts[struct {
		record.Record
		Caption string `json:"caption"`
		Body    string `json:"body"`
	}](t, s, last) {
		if image.Caption != "a" {
			t.Errorf("%+v", image)
		}
	}
	if s, err = reopen(t, s, path, old, &migrate.Opening{Strict: true}); err != nil {
		t.Fatal(err)
	}
	if got := posts[titled](t, s, old); got[0].Title != "a" {
		t.Errorf("%+v", got[0])
	}
}

// What was approved holds for the next build that opens the file, once.
func TestApproval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	old, now := model(t, &oldPost{}), model(t, &newPost{})
	s, err := open(t, path, old, &migrate.Opening{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, old, &oldPost{Title: "a", Views: "many"}, &oldPost{Title: "b", Views: "2"})
	drop := []migrate.Migration{{ID: "1", Steps: []migrate.Step{migrate.Drops("posts", "draft"), migrate.Renames("posts", "title", "headline")}}}
	approve := func(a store.Approval) {
		t.Helper()
		if err := s.Approve(a); err != nil {
			t.Fatal(err)
		}
	}
	again := func() {
		t.Helper()
		if s, err = open(t, path, old, &migrate.Opening{Strict: true}); err != nil {
			t.Fatal(err)
		}
	}
	var pending *migrate.PendingError
	var refused *migrate.RefusedError
	if _, err = reopen(t, s, path, now, &migrate.Opening{Strict: true, Migrations: drop}); !errors.As(err, &pending) {
		t.Fatal(err)
	}
	again()
	approve(store.Approval{Migrations: []string{"1"}})
	if _, err = reopen(t, s, path, now, &migrate.Opening{Strict: true, Migrations: drop}); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	again()
	approve(store.Approval{Migrations: []string{"1"}, Accept: true})
	if s, err = reopen(t, s, path, now, &migrate.Opening{Strict: true, Migrations: drop}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Remembered(); err != nil || len(r.Done) != 1 || r.Approval.Accept {
		t.Errorf("%+v, %v", r, err)
	}
	if got := posts[newPost](t, s, now); len(got) != 0 {
		t.Errorf("listed are %+v", got)
	}
	// The same models again are no change.
	if s, err = reopen(t, s, path, now, &migrate.Opening{Strict: true, Migrations: drop}); err != nil {
		t.Fatal(err)
	}
	if len(s.Surveys()) != 1 || len(s.Surveys()[0].Unfit) != 2 {
		t.Errorf("%v", s.Surveys())
	}
}
