package systemtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// received fails the test when any message to a client holds the text.
func neverReceived(t *testing.T, who string, c *towertest.Client, texts ...string) {
	t.Helper()
	for _, frame := range c.Frames() {
		for _, text := range texts {
			if strings.Contains(frame, text) {
				t.Errorf("%s received %q in %s", who, text, frame)
			}
		}
	}
}

func TestACommitReachesWhomItConcerns(t *testing.T) {
	app := openSample(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	a, b, visitor := app.Connect(t, ada.ID), app.Connect(t, bob.ID), app.Connect(t, "")
	lists := []*towertest.Cursor{a.Open("posts.visible", nil), b.Open("posts.visible", nil), visitor.Open("posts.visible", nil)}

	draft := makePost(t, app, ada, "only Ada's", false)
	public := makePost(t, app, ada, "for all", true)
	lists[0].AwaitLen(2)
	lists[1].AwaitLen(1)
	lists[2].AwaitLen(1)

	if err := Posts.Delete(t.Context(), app, draft.ID); err != nil {
		t.Fatal(err)
	}
	if err := Posts.Delete(t.Context(), app, public.ID); err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		list.AwaitLen(0)
	}
	neverReceived(t, "bob", b, string(draft.ID), "only Ada's", "hush")
	neverReceived(t, "a visitor", visitor, string(draft.ID), "only Ada's", "hush")
}

func TestARecordThatChangesHandsChangesSight(t *testing.T) {
	app := openSample(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	a, b := app.Connect(t, ada.ID), app.Connect(t, bob.ID)
	mine, his := a.Open("posts.visible", nil), b.Open("posts.visible", nil)
	draft := makePost(t, app, ada, "first words", false)
	mine.AwaitLen(1)

	if answer := a.Call("PATCH /posts/"+string(draft.ID), map[string]any{"authorId": bob.ID, "title": "second words"}); answer.Status != 200 {
		t.Fatalf("hand over: %+v", answer)
	}
	mine.AwaitLen(0)
	his.AwaitLen(1)
	if answer := b.Call("PATCH /posts/"+string(draft.ID), map[string]any{"title": "third words"}); answer.Status != 200 {
		t.Fatalf("change: %+v", answer)
	}
	his.Await(func([]string) bool { return true })
	neverReceived(t, "bob", b, "first words")
	frames := a.Frames()
	for i, frame := range frames {
		if strings.Contains(frame, "second words") && !strings.Contains(frame, `"out"`) || strings.Contains(frame, "third words") {
			t.Errorf("ada received, as message %d of %d, %s", i, len(frames), frame)
		}
	}
}

func TestRightsThatAreLostTakeRecordsWithThem(t *testing.T) {
	app := openSample(t)
	ada, eve := makeUser(t, app, "ada", false), makeUser(t, app, "eve", true)
	draft := makePost(t, app, ada, "a draft", false)
	e := app.Connect(t, eve.ID)
	sees, people := e.Open("posts.visible", nil), e.Open("users.everyone", nil)
	sees.AwaitLen(1)
	people.AwaitLen(2)
	before := len(e.Frames())

	// The same commit takes the right away and changes the draft.
	err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
		if _, err := Users.Update(t.Context(), tx, eve.ID, func(u *User) error { u.Editor = false; return nil }); err != nil {
			return err
		}
		_, err := Posts.Update(t.Context(), tx, draft.ID, func(p *Post) error { p.Title = "too late"; return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sees.AwaitLen(0)
	people.AwaitLen(1)
	if frames := e.Frames()[before:]; len(frames) != 1 {
		t.Errorf("one commit arrived as %d messages: %s", len(frames), frames)
	}
	neverReceived(t, "eve", e, "too late")

	if _, err := Users.Update(t.Context(), app, eve.ID, func(u *User) error { u.Editor = true; return nil }); err != nil {
		t.Fatal(err)
	}
	sees.AwaitLen(1)
	people.AwaitLen(2)
}

func TestATransactionIsOneFrameKeyedByModel(t *testing.T) {
	app := openSample(t)
	eve := makeUser(t, app, "eve", true)
	e, visitor := app.Connect(t, eve.ID), app.Connect(t, "")
	posts, users := e.Open("posts.visible", nil), e.Open("users.everyone", nil)
	visitor.Open("posts.visible", nil)
	before, quiet := len(e.Frames()), len(visitor.Frames())

	err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
		author := &User{Name: "new"}
		if err := Users.Create(t.Context(), tx, author); err != nil {
			return err
		}
		return Posts.Create(t.Context(), tx, &Post{AuthorID: author.ID, Title: "a draft"})
	})
	if err != nil {
		t.Fatal(err)
	}
	posts.AwaitLen(1)
	users.AwaitLen(2)
	frames := e.Frames()[before:]
	if len(frames) != 1 {
		t.Fatalf("one commit arrived as %d messages: %s", len(frames), frames)
	}
	var frame struct {
		Seq          uint64
		Users, Posts []json.RawMessage
	}
	if err := json.Unmarshal([]byte(frames[0]), &frame); err != nil || frame.Seq == 0 || len(frame.Users) != 1 || len(frame.Posts) != 1 {
		t.Errorf("the frame is %s (%v)", frames[0], err)
	}

	makePost(t, app, eve, "sent after", true) // a mark: what was to come before it has come
	visitor.Await("the mark", func() bool { return true })
	visitor.Open("posts.newest", map[string]int{"n": 1})
	for _, frame := range visitor.Frames()[quiet:] {
		if strings.Contains(frame, fmt.Sprintf(`"seq":%d,`, frame0Seq(frames[0]))) {
			t.Errorf("a visitor, who sees none of it, received %s", frame)
		}
	}
}

func frame0Seq(frame string) uint64 {
	var head struct{ Seq uint64 }
	_ = json.Unmarshal([]byte(frame), &head)
	return head.Seq
}

func TestAnAnswerComesAfterItsOwnEffects(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	a := app.Connect(t, ada.ID)
	a.Open("posts.visible", nil)
	for i := range 50 {
		before := len(a.Frames())
		title := fmt.Sprintf("post %d", i)
		answer := a.Call("POST /posts", NewPost{Title: title})
		if answer.Status != http.StatusCreated {
			t.Fatalf("create: %+v", answer)
		}
		all := strings.Join(a.Frames()[before:], "\n")
		commit, reply := strings.Index(all, `"seq"`), strings.Index(all, `"status"`)
		if commit < 0 || reply < commit {
			t.Fatalf("the answer came first:\n%s", all)
		}
	}
}

func TestAnUpdateAnswersWithProblems(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	post := makePost(t, app, ada, "a title", true)
	a := app.Connect(t, ada.ID)
	path := "PATCH /posts/" + string(post.ID)

	for _, c := range []struct {
		in       any
		problems string
	}{
		{map[string]any{"title": ""}, `map[title:[is required]]`},
		{map[string]any{"title": "SHOUT"}, `map[title:[is too loud]]`},
		{map[string]any{"title": strings.Repeat("x", 141)}, `map[title:[is too long: at most 140 characters]]`},
		{map[string]any{"title": 7}, `map[title:[is not a string]]`},
		{map[string]any{"titel": "x"}, `map[titel:[is not an input; the inputs are id, title, published, authorId]]`},
		{map[string]any{"authorId": tower.NewID()}, `map[authorId:[does not exist]]`},
	} {
		answer := a.Call(path, c.in)
		if answer.Status != 422 || fmt.Sprint(answer.Problems) != c.problems {
			t.Errorf("%v: %d %v, want 422 %s", c.in, answer.Status, answer.Problems, c.problems)
		}
	}
	if answer := app.Connect(t, "").Call(path, map[string]any{"title": "mine"}); answer.Status != 403 {
		t.Errorf("a visitor's change: %+v", answer)
	}
	stored, err := Posts.Find(t.Context(), app, post.ID)
	if err != nil || stored.Title != "a title" {
		t.Errorf("stored: %+v, %v", stored, err)
	}
}

func TestControllersAreMadeOncePerConnection(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	a := app.Connect(t, ada.ID)
	before := postsMade.Load()
	for i := range 5 {
		a.Call("POST /posts", NewPost{Title: fmt.Sprint(i)})
	}
	if made := postsMade.Load() - before; made > 1 {
		t.Errorf("five calls made %d controllers", made)
	}
}

func TestActionsThatAreNotAllowedAreNeitherCalledNorAnnounced(t *testing.T) {
	app := openSample(t)
	ada, eve := makeUser(t, app, "ada", false), makeUser(t, app, "eve", true)
	a, e := app.Connect(t, ada.ID), app.Connect(t, eve.ID)
	if answer := a.Call("POST /purge", nil); answer.Status != 403 {
		t.Errorf("ada: %+v", answer)
	}
	if answer := e.Call("POST /purge", nil); answer.Status != 500 || strings.Contains(answer.Message, "gone") {
		t.Errorf("eve, whose action panics: %+v", answer)
	}
	if strings.Contains(a.Frames()[0], "POST /purge") || !strings.Contains(e.Frames()[0], "POST /purge") {
		t.Errorf("announced: %s; %s", a.Frames()[0], e.Frames()[0])
	}
}

func TestEveryConnectionHandlesARequest(t *testing.T) {
	app := openSample(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	clients := map[string]*towertest.Client{"ada": app.Connect(t, ada.ID), "bob": app.Connect(t, bob.ID), "visitor": app.Connect(t, "")}
	n, err := app.Handle(t.Context(), tower.Request{Method: "GET", Path: "/greeting", In: map[string]string{"word": "Hello"}})
	if err != nil || n != 3 {
		t.Fatalf("handled by %d, %v", n, err)
	}
	for name, c := range clients {
		want := fmt.Sprintf(`{"push":"GET /greeting","status":200,"out":"Hello %s"}`, name)
		c.Call("GET /greeting", nil) // answered after what was pushed
		if !strings.Contains(strings.Join(c.Frames(), "\n"), want) {
			t.Errorf("%s received %s", name, c.Frames())
		}
	}
	if _, err := app.Handle(t.Context(), tower.Request{Method: "GET", Path: "/nowhere"}); err == nil {
		t.Error("a request without a route was handled")
	}
}

func TestPrivateFieldsAreNeverSent(t *testing.T) {
	app := openSample(t)
	eve := makeUser(t, app, "eve", true)
	e := app.Connect(t, eve.ID)
	e.Open("users.everyone", nil).AwaitLen(1)
	if answer := e.Call("GET /me", nil); answer.Status != 200 || !strings.Contains(string(answer.Out), `"eve"`) {
		t.Errorf("me: %+v", answer)
	}
	if _, err := Users.Update(t.Context(), app, eve.ID, func(u *User) error { u.Secret = "hush-again"; u.Editor = false; return nil }); err != nil {
		t.Fatal(err)
	}
	e.Call("GET /me", nil)
	neverReceived(t, "eve", e, "hush")
	if user, err := Users.Find(t.Context(), app, eve.ID); err != nil || user.Secret != "hush-again" {
		t.Errorf("stored: %+v, %v", user, err)
	}
}

func TestClientsNarrowWhatTheyMay(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", false)
	for i := range 6 {
		post := &Post{AuthorID: ada.ID, Title: fmt.Sprintf("post %d", i), Published: true, Likes: i}
		if err := Posts.Create(t.Context(), app, post); err != nil {
			t.Fatal(err)
		}
	}
	c := app.Connect(t, "")
	list, answer := c.TryNarrow("posts.visible", towertest.Narrowing{Where: map[string]any{"likes": map[string]any{"gte": 2}}, Order: []string{"-likes"}, Limit: 3})
	if answer.Status != 200 {
		t.Fatalf("narrow: %+v", answer)
	}
	list.AwaitLen(3)
	var first Post
	if list.Record(list.IDs()[0], &first); first.Likes != 5 {
		t.Errorf("first: %+v", first)
	}
	for _, bad := range []towertest.Narrowing{
		{Where: map[string]any{"published": true}}, {Order: []string{"createdAt"}}, {Where: map[string]any{"nope": 1}}, {Order: []string{"nope"}},
	} {
		if _, answer := c.TryNarrow("posts.visible", bad); answer.Status < 400 || answer.Status >= 500 {
			t.Errorf("%+v: %+v", bad, answer)
		}
	}
}
