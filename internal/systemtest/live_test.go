package systemtest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/towerkit/tower/towertest"
)

func update(t *testing.T, app *towertest.App, post *Post, change func(*Post)) {
	t.Helper()
	if _, err := Posts.Update(t.Context(), app, post.ID, func(p *Post) error { change(p); return nil }); err != nil {
		t.Fatal(err)
	}
}

// TestAValueIsOfWhatTheUserMaySee has Ada write drafts, which Bob's values must
// not tell of, and makes Bob an editor, who sees them all.
func TestAValueIsOfWhatTheUserMaySee(t *testing.T) {
	app := openSample(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	post, draft := makePost(t, app, ada, "hello", true), makePost(t, app, ada, "zebra", false)
	hers, his := app.Connect(t, ada.ID), app.Connect(t, bob.ID)
	expect := func(who string, c *towertest.Client, cursors []*towertest.Cursor, want string) {
		t.Helper()
		if err := app.Wait(t.Context(), app.Seq()); err != nil {
			t.Fatal(err)
		}
		c.Call("GET /greeting", nil) // its answer comes after all frames so far
		got := []string{}
		for _, cursor := range cursors {
			got = append(got, cursor.Value())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s holds %v, want %s", who, got, want)
		}
	}
	values := func(c *towertest.Client) []*towertest.Cursor {
		return []*towertest.Cursor{c.Open("posts.howMany", nil), c.Open("posts.allLikes", nil), c.Open("posts.lastTitle", nil)}
	}
	hersOpen, hisOpen := values(hers), values(his)
	expect("ada", hers, hersOpen, `2 0 "zebra"`)
	expect("bob", his, hisOpen, `1 0 "hello"`)

	quiet := len(his.Frames())
	makePost(t, app, ada, "zoo", false)
	update(t, app, draft, func(p *Post) { p.Likes = 7 })
	expect("ada", hers, hersOpen, `3 7 "zoo"`)
	expect("bob", his, hisOpen, `1 0 "hello"`)
	if got := len(his.Frames()) - quiet; got != 1 { // the answer to the greeting
		t.Errorf("bob was sent %d messages of ada's drafts: %v", got-1, his.Frames()[quiet:])
	}

	update(t, app, draft, func(p *Post) { p.Published = true })
	expect("bob", his, hisOpen, `2 7 "zebra"`)
	if _, err := Users.Update(t.Context(), app, bob.ID, func(u *User) error { u.Editor = true; return nil }); err != nil {
		t.Fatal(err)
	}
	expect("bob", his, hisOpen, `3 7 "zoo"`)
	update(t, app, post, func(p *Post) { p.Likes = 1 })
	expect("bob", his, hisOpen, `3 8 "zoo"`)
	if _, err := Users.Update(t.Context(), app, bob.ID, func(u *User) error { u.Editor = false; return nil }); err != nil {
		t.Fatal(err)
	}
	expect("bob", his, hisOpen, `2 8 "zebra"`)
	hisOpen[0].AwaitValue("2")
}

func TestAValueIsNarrowedByItsConditionsOnly(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	makePost(t, app, ada, "one", true)
	makePost(t, app, ada, "two", true)
	c := app.Connect(t, "")
	if one, answer := c.Narrow("posts.howMany", towertest.Narrowing{Where: map[string]any{"title": "one"}}); answer.Status != 200 || one.Value() != "1" {
		t.Errorf("%+v holds %s", answer, one.Value())
	}
	for _, by := range []towertest.Narrowing{{Limit: 1}, {Order: []string{"title"}}} {
		if _, answer := c.Narrow("posts.howMany", by); answer.Status != 400 || !strings.Contains(answer.Message, "takes neither an order nor a limit") {
			t.Errorf("%+v: %+v", by, answer)
		}
	}
}

func TestAPageValueIsKeptAsText(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	makePost(t, app, ada, "one", true)
	makePost(t, app, ada, "a draft", false)
	_, page := app.Get(t, "/posts")
	found := regexp.MustCompile(`<b data-cursor="posts.howMany" data-live="([^"]+)" data-since="([^"]+)" data-value>1</b>`).FindStringSubmatch(page)
	if found == nil {
		t.Fatal(page)
	}
	makePost(t, app, ada, "two", true)
	socket := dial(t, app, nil)
	socket.ask(`{"hello":1}`)
	answer := socket.ask(fmt.Sprintf(`{"id":1,"live":%q,"since":%q}`, found[1], found[2]))
	if !strings.Contains(answer, `"value":2`) || strings.Contains(answer, "resync") || strings.Contains(answer, "delta") {
		t.Errorf("opened: %s", answer)
	}
	makePost(t, app, ada, "three", true)
	if frame := socket.hear(); !strings.Contains(frame, `":{"value":3}}}`) {
		t.Errorf("another: %s", frame)
	}
}
