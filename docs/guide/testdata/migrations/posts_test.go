package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"

	"blog/models"
)

type oldPost struct {
	tower.Record
	Title    string `json:"title"`
	Subtitle string `json:"subtitle"`
	Views    string `json:"views"`
}

func TestPostsAreMigrated(t *testing.T) {
	posts := tower.NewModel[oldPost]("posts")
	old := tower.Config{Env: "test", Data: filepath.Join(t.TempDir(), "test.db"), Routes: Routes(), Models: []tower.AnyModel{posts}}
	app, end := towertest.Serve(t, old)
	if err := posts.Create(t.Context(), app, &oldPost{Title: "Hello World", Subtitle: "x", Views: "12"}); err != nil {
		t.Fatal(err)
	}
	end()

	t.Setenv("TOWER_SECRET", "x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF")
	config := Config()
	config.Env, config.Data = "production", old.Data
	without := config
	without.Migrations = nil
	for want, config := range map[string]tower.Config{"2 migrations are pending": config, "1 of 1 posts do not fit Post": without} {
		refused, err := tower.New(config)
		if err == nil {
			err = refused.Open()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("production opened data that does not fit: %v", err)
		}
	}

	config.MigrateAtStart = true
	app, end = towertest.Serve(t, config)
	post, err := models.Posts.All().First(t.Context(), app)
	if err != nil || post.Headline != "Hello World" || post.Views != 12 || post.Slug != "hello-world" {
		t.Errorf("%+v, %v", post, err)
	}
	end()

	// The older build finds the name that it knows, and what does not fit it.
	app, end = towertest.Serve(t, old)
	defer end()
	var coded *tower.Error
	if _, err := posts.Find(t.Context(), app, post.ID); err == nil || errors.As(err, &coded) && coded.Code == tower.CodeNotFound {
		t.Errorf("views of the older build: %v", err)
	}
}
