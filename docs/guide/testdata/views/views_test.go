package main

import (
	"strings"
	"testing"

	"github.com/towerkit/tower/towertest"

	"blog/models"
)

func TestPages(t *testing.T) {
	app := towertest.Open(t, Config())
	post := &models.Post{Title: "Hello", Published: true}
	if err := models.Posts.Create(t.Context(), app, post); err != nil {
		t.Fatal(err)
	}
	status, page := app.Get(t, "/posts/"+string(post.ID))
	for _, want := range []string{">Hello ", ">1</b> posts", `<a href="/posts/` + string(post.ID) + `">Hello</a>`} {
		if status != 200 || !strings.Contains(page, want) {
			t.Errorf("the page answers %d without %s:\n%s", status, want, page)
		}
	}
	if strings.Contains(page, "<form") {
		t.Error("a visitor sees a form")
	}
}
