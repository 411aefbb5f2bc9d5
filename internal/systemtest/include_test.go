package systemtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/towerkit/tower/towertest"
)

// TestACursorIncludesWhatItsRecordsReferTo has an editor, who may see all users,
// and Bob, who sees himself, follow signed posts.
func TestACursorIncludesWhatItsRecordsReferTo(t *testing.T) {
	app := openSample(t)
	editor, bob := makeUser(t, app, "eve", true), makeUser(t, app, "bob", false)
	post := makePost(t, app, editor, "one", true)
	all, own := app.Connect(t, editor.ID), app.Connect(t, bob.ID)
	hers, his := all.Open("posts.signed", nil), own.Open("posts.signed", nil)
	quiet := 0 // messages that Bob has read
	expect := func(what string, frames int, authors, himself string) {
		t.Helper()
		if err := app.Wait(t.Context(), app.Seq()); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*towertest.Client{all, own} {
			c.Call("GET /greeting", nil) // its answer comes after all frames so far
		}
		if got := names(hers); got != authors {
			t.Errorf("%s: the editor's posts include %s, want %s", what, got, authors)
		}
		if got := names(his); got != himself {
			t.Errorf("%s: Bob's posts include %s, want %s", what, got, himself)
		}
		if got := len(own.Frames()) - quiet - 1; got != frames {
			t.Errorf("%s: Bob was sent %d messages, want %d: %v", what, got, frames, own.Frames()[quiet:])
		}
		quiet = len(own.Frames())
	}
	quiet = len(own.Frames())
	expect("opened", 0, "eve", "")

	update(t, app, post, func(p *Post) { p.AuthorID = bob.ID })
	expect("the post is Bob's", 1, "bob", "bob")
	updateUser(t, app, bob, func(u *User) { u.Name = "bobby" })
	expect("Bob is renamed", 1, "bobby", "bobby")
	updateUser(t, app, editor, func(u *User) { u.Name = "eva" })
	expect("somebody else is", 0, "bobby", "bobby")
	makePost(t, app, editor, "two", true)
	expect("another's post", 1, "eva bobby", "bobby")
	updateUser(t, app, editor, func(u *User) { u.Name = "evita" })
	expect("an author whom he may not see is renamed", 0, "evita bobby", "bobby")

	updateUser(t, app, bob, func(u *User) { u.Editor = true })
	expect("Bob is an editor", 1, "evita bobby", "evita bobby")
	updateUser(t, app, bob, func(u *User) { u.Editor = false })
	expect("and is none", 1, "evita bobby", "bobby")

	for i := range 5 {
		makePost(t, app, editor, fmt.Sprint("more", i), true)
		if err := app.Wait(t.Context(), app.Seq()); err != nil { // else they may be told as one
			t.Fatal(err)
		}
	}
	expect("his post has left the window", 5, "evita", "")
	if err := Users.Delete(t.Context(), app, editor.ID); err != nil {
		t.Fatal(err)
	}
	if err := app.Wait(t.Context(), app.Seq()); err != nil {
		t.Fatal(err)
	}
	if his.Len() != 5 || names(his) != "" {
		t.Errorf("Bob holds %d posts, which include %s", his.Len(), names(his))
	}
}

func updateUser(t *testing.T, app *towertest.App, user *User, change func(*User)) {
	t.Helper()
	if _, err := Users.Update(t.Context(), app, user.ID, func(u *User) error { change(u); return nil }); err != nil {
		t.Fatal(err)
	}
}

// names returns the names of the users that a cursor includes, in the order in
// which they were made.
func names(c *towertest.Cursor) string {
	var names []string
	for _, id := range c.Included("users") {
		var u User
		c.IncludedRecord("users", id, &u)
		names = append(names, u.Name)
	}
	return strings.Join(names, " ")
}
