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
