package main

import (
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"

	"blog/models"
)

func TestTheSeedCreatesWhatIsNotThere(t *testing.T) {
	app := towertest.Open(t, tower.Config{Models: models.All(), Routes: Routes(), Files: files, Seed: Seed})
	for range 2 {
		if err := Seed(t.Context(), app.App); err != nil {
			t.Fatal(err)
		}
		users, err := models.Users.All().Count(t.Context(), app)
		posts, err2 := models.Posts.All().Count(t.Context(), app)
		if err != nil || err2 != nil || users != 1 || posts != 1 {
			t.Errorf("there are %d users and %d posts: %v, %v", users, posts, err, err2)
		}
	}
}
