package main

import (
	"testing"

	"github.com/towerkit/tower/towertest"

	"blog/models"
)

func TestActions(t *testing.T) {
	app := towertest.Open(t, Config())
	ada := &models.User{Name: "Ada", Email: "ada@example.com"}
	if err := models.Users.Create(t.Context(), app, ada); err != nil {
		t.Fatal(err)
	}
	if answer := app.Connect(t, "").Call("POST /posts", map[string]string{"title": "Hi"}); answer.Status != 403 {
		t.Errorf("a visitor: %+v", answer)
	}
	client := app.Connect(t, ada.ID)
	if answer := client.Call("POST /posts", map[string]string{"title": "Hi"}); answer.Status != 201 {
		t.Errorf("ada: %+v", answer)
	}
	if answer := client.Call("POST /posts", map[string]string{}); answer.Status != 422 || len(answer.Problems["title"]) != 1 {
		t.Errorf("no title: %+v", answer)
	}
	if status, location := app.PostForm(t, ada.ID, "/posts", "title=By+form"); status != 303 || location != "/" {
		t.Errorf("a form: %d %s", status, location)
	}
	post, err := models.Posts.All().First(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	if answer := client.Call("PATCH /posts/"+string(post.ID), map[string]string{"title": "Better"}); answer.Status != 200 {
		t.Errorf("rename: %+v", answer)
	}
	if answer := app.Connect(t, "").Call("PATCH /posts/"+string(post.ID), map[string]string{"title": "Worse"}); answer.Status != 403 {
		t.Errorf("a visitor renames: %+v", answer)
	}
}
