package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/towerkit/tower/towertest"

	"github.com/towerkit/tower/scaffolds/demo/models"
)

// open starts the application with two users, Ada and Bob.
func open(t *testing.T) (app *towertest.App, ada, bob *models.User) {
	t.Helper()
	app = towertest.Open(t, Config())
	ada, bob = &models.User{Name: "Ada"}, &models.User{Name: "Bob"}
	for _, user := range []*models.User{ada, bob} {
		if err := models.Users.Create(t.Context(), app, user); err != nil {
			t.Fatal(err)
		}
	}
	return app, ada, bob
}

func TestAPublishedPostReachesEveryone(t *testing.T) {
	app, ada, bob := open(t)
	writer, reader, visitor := app.Connect(t, ada.ID), app.Connect(t, bob.ID), app.Connect(t, "")
	lists := []*towertest.Cursor{
		writer.Open("posts.published", nil), writer.Open("posts.mine", nil),
		reader.Open("posts.published", nil), visitor.Open("posts.published", nil),
	}

	got := writer.Call("POST /posts", map[string]any{"title": "Hello", "published": true})
	if got.Status != http.StatusCreated {
		t.Fatalf("create answered %d %v", got.Status, got.Problems)
	}
	for _, list := range lists {
		list.AwaitLen(1)
	}
	if ids := reader.Open("posts.mine", nil).IDs(); len(ids) != 0 {
		t.Errorf("Bob's own posts are %v", ids)
	}
}

func TestADraftIsSeenByItsAuthorAlone(t *testing.T) {
	app, ada, bob := open(t)
	writer, reader := app.Connect(t, ada.ID), app.Connect(t, bob.ID)
	mine, board := writer.Open("posts.mine", nil), reader.Open("posts.published", nil)

	draft := &models.Post{AuthorID: ada.ID, Title: "Not yet"}
	if err := models.Posts.Create(t.Context(), app, draft); err != nil {
		t.Fatal(err)
	}
	mine.AwaitLen(1)
	if ids := board.IDs(); len(ids) != 0 {
		t.Fatalf("Bob sees %v", ids)
	}

	id := mine.IDs()[0]
	if got := reader.Call("PATCH /posts/"+id, map[string]any{"title": "His"}); got.Status != http.StatusNotFound {
		t.Errorf("Bob's update of a draft answered %d", got.Status)
	}
	writer.Call("PATCH /posts/"+id, map[string]any{"published": true})
	board.AwaitLen(1)
	writer.Call("PATCH /posts/"+id, map[string]any{"published": false})
	board.AwaitLen(0)
}

// TestEveryListConverges makes random changes, and compares the lists of clients with
// the results of fresh queries.
func TestEveryListConverges(t *testing.T) {
	towertest.Converge(t, Config(), towertest.Convergence{Steps: 100})
}

func TestOnlyItsAuthorChangesAPost(t *testing.T) {
	app, ada, bob := open(t)
	post := &models.Post{AuthorID: ada.ID, Title: "Hers", Published: true}
	if err := models.Posts.Create(t.Context(), app, post); err != nil {
		t.Fatal(err)
	}
	other := app.Connect(t, bob.ID)
	id := other.Open("posts.published", nil).IDs()[0]

	if got := other.Call("PATCH /posts/"+id, map[string]any{"title": "His"}); got.Status != http.StatusForbidden {
		t.Errorf("update answered %d", got.Status)
	}
	if got := other.Call("DELETE /posts/"+id, nil); got.Status != http.StatusForbidden {
		t.Errorf("delete answered %d", got.Status)
	}
	if got := app.Connect(t, "").Call("POST /posts", map[string]any{"title": "Whose?"}); got.Status != http.StatusUnauthorized {
		t.Errorf("a visitor's create answered %d", got.Status)
	}
}

func TestFrontPage(t *testing.T) {
	app := towertest.Open(t, Config())

	if status, body := app.Get(t, "/"); status != http.StatusOK || !strings.Contains(body, "no users yet") {
		t.Fatalf("without users, GET / answered %d:\n%s", status, body)
	}
	if err := models.Users.Create(t.Context(), app, &models.User{Name: "Ada"}); err != nil {
		t.Fatal(err)
	}
	if status, body := app.Get(t, "/"); status != http.StatusOK || !strings.Contains(body, ">Ada</button>") {
		t.Fatalf("GET / answered %d:\n%s", status, body)
	}
}
