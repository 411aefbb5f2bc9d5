package systemtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// ask asks and returns the answer as text, or the error.
func (l *line) ask(req wire.ControlRequest) string {
	l.t.Helper()
	var out json.RawMessage
	if refused := l.do(req, &out); refused != "" {
		return refused
	}
	return string(out)
}

func (l *line) begin() (tx uint64) {
	l.t.Helper()
	if refused := l.do(wire.ControlRequest{Do: wire.DoBegin}, &tx); refused != "" {
		l.t.Fatal(refused)
	}
	return tx
}

// quiet holds that a client has been sent nothing since it had so many frames.
func quiet(t *testing.T, clients []*towertest.Client, had []int) {
	t.Helper()
	for i, c := range clients {
		// An answer comes after all that was sent before.
		c.Call("GET /greeting", map[string]any{"word": "hi"})
		frames := c.Frames()[had[i]:]
		frames = slices.DeleteFunc(frames, func(f string) bool { return strings.Contains(f, `"hi `) })
		if len(frames) > 0 {
			t.Errorf("client %d was sent %s", i, frames)
		}
	}
}

func TestAConsoleActsAsAUser(t *testing.T) {
	app, path := openControl(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	makePost(t, app, ada, "draft", false)
	makePost(t, app, bob, "open", true)
	l := attach(t, path)
	l.do(wire.ControlRequest{Do: wire.DoWatch}, nil)
	titles := func(as tower.ID) (all []string) {
		var posts []Post
		if refused := l.do(wire.ControlRequest{Do: wire.DoQuery, Name: "posts.visible", As: string(as)}, &posts); refused != "" {
			t.Fatal(refused)
		}
		for _, p := range posts {
			all = append(all, p.Title)
		}
		return all
	}
	for as, want := range map[tower.ID]string{ada.ID: "[draft open]", bob.ID: "[open]", "": "[open]"} {
		if got := fmt.Sprint(titles(as)); got != want {
			t.Errorf("%q sees %s, not %s", as, got, want)
		}
	}
	var called wire.Called
	if refused := l.do(wire.ControlRequest{Do: wire.DoCall, Name: "POST /posts", In: raws(`{"title":"By hand"}`), As: string(ada.ID)}, &called); refused != "" {
		t.Fatal(refused)
	}
	if called.Status != 201 || called.Seq == 0 || !strings.Contains(string(called.Out), `"By hand"`) || !strings.HasPrefix(called.Location, "/posts/") {
		t.Errorf("%+v", called)
	}
	commit := l.event(func(e wire.ControlEvent) bool { return e.Commit != nil && e.Commit.Seq >= called.Seq }).Commit // a sign-in may come before
	if commit.Seq != called.Seq || commit.By != "console:test as ada" {
		t.Errorf("commit %d by %s", commit.Seq, commit.By)
	}
	id := string(ada.ID)
	for _, c := range []struct {
		req  wire.ControlRequest
		says string
	}{
		{wire.ControlRequest{Do: wire.DoCount, Name: "posts.visible", As: id}, "3"},
		{wire.ControlRequest{Do: wire.DoCount, Name: "posts.visible", As: id, Where: raws(`{"title":"draft"}`)}, "1"},
		{wire.ControlRequest{Do: wire.DoValue, Name: "posts.howMany", As: string(bob.ID)}, "1"},
		{wire.ControlRequest{Do: wire.DoQuery, Name: "posts.howMany", As: id}, "bad_request: posts.howMany carries a value, not records"},
		{wire.ControlRequest{Do: wire.DoQuery, Name: "posts.nowhere", As: id}, `not_found: there is no cursor "posts.nowhere"`},
		{wire.ControlRequest{Do: wire.DoQuery, Name: "posts.newest", As: id}, "invalid: not valid map[n:["},
		{wire.ControlRequest{Do: wire.DoQuery, Name: "posts.visible", As: id, Where: raws(`{"authorId":"x"}`)}, "forbidden: posts.visible cannot be narrowed by authorId"},
		{wire.ControlRequest{Do: wire.DoQuery, Name: "posts.visible", As: id, Offset: 1}, "bad_request: posts.visible takes no offset"},
		{wire.ControlRequest{Do: wire.DoQuery, Name: "posts.visible", As: string(tower.NewID())}, "unauthenticated: there is no User "},
		{wire.ControlRequest{Do: wire.DoCall, Name: "POST /posts", In: raws(`{"title":"x"}`)}, `"status":401,"error":{"code":"unauthenticated","message":"sign in to write"}`},
		{wire.ControlRequest{Do: wire.DoCall, Name: "POST /posts", In: raws(`{"title":"SHOUT"}`), As: id}, `"problems":{"title":["is too loud"]}`},
		{wire.ControlRequest{Do: wire.DoCall, Name: "POST /purge", As: id}, `"message":"you may not use POST /purge"`},
		{wire.ControlRequest{Do: wire.DoCall, Name: "GET /posts", As: id}, `{"status":400,"error":{"code":"bad_request","message":"GET /posts is a page`},
		{wire.ControlRequest{Do: wire.DoCall, Name: "GET /nowhere", As: id}, `there is no GET /nowhere"}`},
		{wire.ControlRequest{Do: wire.DoCall, Name: "POST /session", In: raws(`{"user":"` + id + `"}`)}, `"session":true`},
	} {
		if got := l.ask(c.req); !strings.Contains(got, c.says) {
			t.Errorf("%+v: %s; want %s", c.req, got, c.says)
		}
	}
}

func TestWhyACursorHoldsARecord(t *testing.T) {
	app, path := openControl(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", true)
	draft, first := makePost(t, app, ada, "draft", false), makePost(t, app, ada, "first", true)
	makePost(t, app, ada, "second", true)
	l := attach(t, path)
	why := func(post *Post, cursor, in string, as tower.ID) string {
		t.Helper()
		var out wire.Why
		req := wire.ControlRequest{Do: wire.DoWhy, Name: cursor, In: raws(in), As: string(as), Model: "posts", Key: string(post.ID)}
		if refused := l.do(req, &out); refused != "" {
			return refused
		}
		text := fmt.Sprintf("%s sees %v by %s, rank %d of %d:", out.User, out.Sees, out.Decided, out.Rank, out.Limit)
		for _, test := range out.Tests {
			text += fmt.Sprintf(" %s=%v", test.What, test.Holds)
			if test.Field != "" {
				text += fmt.Sprintf("(%s)", test.Value)
			}
		}
		return text
	}
	for _, c := range []struct {
		post       *Post
		cursor, in string
		as         tower.ID
		want       string
	}{
		{draft, "posts.visible", "", "", "visitor sees false by PostsController.Match, rank 0 of 0: PostsController.Allow(Visible)=true PostsController.Match=false"},
		{draft, "posts.visible", "", ada.ID, "ada sees true by PostsController.Match, rank 1 of 0: PostsController.Allow(Visible)=true PostsController.Match=true"},
		{first, "posts.newest", `{"n":2}`, "", "visitor sees true by PostsController.Match, rank 2 of 2: PostsController.Allow(Newest)=true PostsController.Match=true"},
		{draft, "posts.newest", `{"n":2}`, bob.ID, "bob sees false by window, rank 3 of 2: PostsController.Allow(Newest)=true PostsController.Match=true"},
		{draft, "posts.howMany", "", bob.ID, "bob sees true by PostsController.Match, rank 0 of 0: PostsController.Allow(HowMany)=true PostsController.Match=true"},
		{draft, "posts.nowhere", "", "", `not_found: there is no cursor "posts.nowhere" map[]`},
		{draft, "users.everyone", "", "", "bad_request: users.everyone holds users, not posts map[]"},
		{&Post{}, "posts.visible", "", "", "not_found: there is no Post  map[]"},
	} {
		if got := why(c.post, c.cursor, c.in, c.as); got != c.want {
			t.Errorf("%s in %s:\n got %s\nwant %s", c.post.Title, c.cursor, got, c.want)
		}
	}
}

func TestAnImpactIsSeenByTheConsoleAlone(t *testing.T) {
	app, path := openControl(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	draft := makePost(t, app, ada, "draft", false)
	clients := []*towertest.Client{app.Connect(t, ada.ID), app.Connect(t, bob.ID), app.Connect(t, "")}
	var lists []*towertest.Cursor
	for _, c := range clients {
		lists = append(lists, c.Open("posts.visible", nil))
		c.Open("posts.howMany", nil)
		c.Open("posts.newest", map[string]any{"n": 1})
	}
	had := []int{}
	for _, c := range clients {
		had = append(had, len(c.Frames()))
	}
	l := attach(t, path)
	tx := l.begin()
	// Through an action as ada, by hand, and a user who becomes an editor and so sees more.
	for _, req := range []wire.ControlRequest{
		{Do: wire.DoCall, Name: "POST /posts", In: raws(`{"title":"new","published":true}`), As: string(ada.ID)},
		{Do: wire.DoCreate, Model: "posts", Set: raws(`{"title":"secret","authorId":"` + string(ada.ID) + `"}`)},
		{Do: wire.DoUpdate, Model: "users", Key: string(bob.ID), Set: raws(`{"editor":true}`)},
	} {
		req.Tx = tx
		if got := l.ask(req); strings.HasPrefix(got, "invalid") || strings.Contains(got, ": ") {
			t.Fatal(got)
		}
	}
	if got := l.ask(wire.ControlRequest{Do: wire.DoCall, Name: "POST /posts", In: raws(`{"title":""}`), As: string(ada.ID), Tx: tx}); !strings.Contains(got, "is required") {
		t.Errorf("a refused call within: %s", got)
	}
	var diffs []wire.Diff
	l.do(wire.ControlRequest{Do: wire.DoDiff, Tx: tx}, &diffs)
	if len(diffs) != 3 || diffs[0].Label != "new" || diffs[2].Fields[0] != "editor" || strings.Contains(string(diffs[2].Before), "hush") {
		t.Errorf("the diff is %+v", diffs)
	}
	look := func() (wire.Impact, string) {
		t.Helper()
		var impact wire.Impact
		if refused := l.do(wire.ControlRequest{Do: wire.DoImpact, Tx: tx}, &impact); refused != "" {
			t.Fatal(refused)
		}
		text := fmt.Sprintf("%d changes, %d of %d:", impact.Changes, impact.ReachedAll, impact.Connections)
		for _, told := range impact.Reached {
			text += fmt.Sprintf("\n%s %s", told.User, told.Cursor)
			for _, turn := range told.Deltas {
				text += " " + turn.Op + " " + turn.Label
			}
			text += string(told.Value)
			if told.Rights {
				text += "other rights"
			}
		}
		return impact, text
	}
	const want = `3 changes, 3 of 3:
ada posts.howMany3
ada posts.newest leave draft enter secret
ada posts.visible enter new enter secret
bob other rights
bob posts.howMany3
bob posts.newest enter secret
bob posts.visible enter draft enter new enter secret
visitor posts.howMany1
visitor posts.newest enter new
visitor posts.visible enter new`
	impact, text := look()
	if text = strings.Replace(text, "leave  ", "leave draft ", 1); text != want {
		t.Errorf("the impact is %s\nwant %s", text, want)
	}
	if len(impact.Moved) != 0 || impact.Seq != 5 {
		t.Errorf("%+v", impact)
	}
	if got := l.ask(wire.ControlRequest{Do: wire.DoCount, Name: "posts.visible", As: string(bob.ID), Tx: tx}); got != "3" {
		t.Errorf("within it bob sees %s posts", got)
	}
	quiet(t, clients, had)
	if app.Seq() != 5 {
		t.Fatalf("something was committed: %d", app.Seq())
	}

	// What moved underneath is told, and the transaction stays open.
	if _, err := Users.Update(t.Context(), app, bob.ID, func(u *User) error { u.Name = "bobby"; return nil }); err != nil {
		t.Fatal(err)
	}
	if impact, _ := look(); len(impact.Moved) != 1 || impact.Moved[0].ID != string(bob.ID) || impact.Moved[0].Seq != 6 || impact.Moved[0].By != "app" {
		t.Errorf("moved: %+v", impact.Moved)
	}
	for range 2 {
		got := l.ask(wire.ControlRequest{Do: wire.DoCommit, Tx: tx})
		if !strings.HasPrefix(got, "conflict: the records have changed since they were read") || !strings.Contains(got, "User "+string(bob.ID)+":[was updated by commit 6 (app): name]") {
			t.Errorf("the commit says %s", got)
		}
	}
	if got := l.ask(wire.ControlRequest{Do: wire.DoRollback, Tx: tx}); got != "null" {
		t.Error(got)
	}

	tx = l.begin()
	l.ask(wire.ControlRequest{Do: wire.DoUpdate, Model: "posts", Key: string(draft.ID), Set: raws(`{"published":true}`), Tx: tx})
	l.ask(wire.ControlRequest{Do: wire.DoCommit, Tx: tx})
	for _, list := range lists {
		list.AwaitLen(1)
	}
}

func TestWhatATransactionLooksAtMayMove(t *testing.T) {
	app, path := openControl(t)
	ada := makeUser(t, app, "ada", false)
	l := attach(t, path)
	for look, want := range map[bool]string{true: `{"seq":3,`, false: "conflict: "} {
		tx := l.begin()
		l.ask(wire.ControlRequest{Do: wire.DoQuery, Model: "posts", Tx: tx, Look: look})
		l.ask(wire.ControlRequest{Do: wire.DoCreate, Model: "posts", Set: raws(`{"title":"mine"}`), Tx: tx})
		makePost(t, app, ada, "theirs", true)
		if got := l.ask(wire.ControlRequest{Do: wire.DoCommit, Tx: tx}); look && !strings.HasPrefix(got, `{"seq":`) || !look && !strings.Contains(got, "posts:[a query result was changed by commit ") {
			t.Errorf("look %t: %s, want %s", look, got, want)
		}
	}
}

func TestAConsoleChangesManyAtOnce(t *testing.T) {
	app, path := openControl(t)
	ada := makeUser(t, app, "ada", false)
	for i := range 5 {
		makePost(t, app, ada, fmt.Sprint("post ", i), i%2 == 0)
	}
	l := attach(t, path)
	three, four := 3, 4
	published := raws(`{"published":true}`)
	for _, c := range []struct {
		req  wire.ControlRequest
		says string
	}{
		{wire.ControlRequest{Do: wire.DoUpdateAll, Model: "posts", Where: published, Set: raws(`{"likes":7}`), Expect: &four}, "conflict: the query now finds 3 records, not 4; nothing was changed"},
		{wire.ControlRequest{Do: wire.DoUpdateAll, Model: "posts", Where: published, Set: raws(`{"likes":-1}`)}, "would not be valid; nothing was changed map[likes:[must be at least 0]]"},
		{wire.ControlRequest{Do: wire.DoUpdateAll, Model: "posts", Where: published, Set: raws(`{"titel":"x"}`)}, "did you mean title?"},
		{wire.ControlRequest{Do: wire.DoUpdateAll, Model: "posts", Where: published, Set: raws(`{"likes":7}`), Expect: &three}, `{"seq":7,"changes":3}`},
		{wire.ControlRequest{Do: wire.DoCount, Model: "posts", Where: raws(`{"likes":7}`)}, "3"},
		{wire.ControlRequest{Do: wire.DoDeleteAll, Model: "posts", Order: []string{"-createdAt"}, Limit: 2}, `{"seq":8,"changes":2}`},
		{wire.ControlRequest{Do: wire.DoUndo, Key: "8"}, `{"seq":9,"changes":2}`},
		{wire.ControlRequest{Do: wire.DoUndo, Key: "7"}, `{"seq":10,"changes":3}`},
		{wire.ControlRequest{Do: wire.DoCount, Model: "posts", Where: raws(`{"likes":7}`)}, "0"},
		{wire.ControlRequest{Do: wire.DoUndo, Key: "7"}, "conflict: commit 7 cannot be undone: a later commit conflicts with it map[Post "},
		{wire.ControlRequest{Do: wire.DoUndo, Key: "7"}, ":[was updated by commit 10 (console:test): likes]"},
		{wire.ControlRequest{Do: wire.DoUndo, Key: "99"}, "not_found: there is no commit 99; the newest is 10"},
		{wire.ControlRequest{Do: wire.DoUndo, Key: "x"}, `bad_request: "x" is not a seq`},
		{wire.ControlRequest{Do: wire.DoDiff, Key: "7"}, `[{"op":"update","model":"posts",`},
		{wire.ControlRequest{Do: wire.DoDiff}, "not_found: there is no open transaction 0"},
	} {
		if got := l.ask(c.req); !strings.Contains(got, c.says) {
			t.Errorf("%s %s: %s; want %s", c.req.Do, c.req.Key, got, c.says)
		}
	}
}

func TestAConsoleReadsThePast(t *testing.T) {
	app, path := openControl(t)
	ada := makeUser(t, app, "ada", false)
	post := makePost(t, app, ada, "one", true) // 2
	for _, title := range []string{"two", "three"} {
		if _, err := Posts.Update(t.Context(), app, post.ID, func(p *Post) error { p.Title = title; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := Posts.Delete(t.Context(), app, post.ID); err != nil { // 5
		t.Fatal(err)
	}
	l := attach(t, path)
	at := func(seq uint64) *uint64 { return &seq }
	id := string(post.ID)
	for _, c := range []struct {
		req  wire.ControlRequest
		says string
	}{
		{wire.ControlRequest{Do: wire.DoFind, Model: "posts", Key: id, At: at(2)}, `"title":"one"`},
		{wire.ControlRequest{Do: wire.DoFind, Model: "posts", Key: id, At: at(4)}, `"title":"three"`},
		{wire.ControlRequest{Do: wire.DoFind, Model: "posts", Key: id, At: at(1)}, "not_found: there is no Post " + id},
		{wire.ControlRequest{Do: wire.DoFind, Model: "posts", Key: id, At: at(5)}, "not_found: "},
		{wire.ControlRequest{Do: wire.DoQuery, Model: "posts", Where: raws(`{"title":"two"}`), At: at(3)}, `"title":"two"`},
		{wire.ControlRequest{Do: wire.DoCount, Model: "posts", At: at(0)}, "0"},
		{wire.ControlRequest{Do: wire.DoCount, Name: "posts.visible", At: at(4)}, "1"},
		{wire.ControlRequest{Do: wire.DoWhy, Name: "posts.visible", Model: "posts", Key: id, At: at(4)}, `"sees":true`},
		{wire.ControlRequest{Do: wire.DoCount, Model: "posts", At: at(9)}, "not_found: commit 9 does not exist yet; the newest is 5"},
		{wire.ControlRequest{Do: wire.DoCreate, Model: "posts", Set: raws(`{"title":"x"}`), At: at(4)}, "forbidden: the past cannot be changed"},
		{wire.ControlRequest{Do: wire.DoCall, Name: "POST /posts", In: raws(`{"title":"x"}`), As: string(ada.ID), At: at(4)}, `{"status":403,"error":{"code":"forbidden","message":"the past cannot be changed"}}`},
		{wire.ControlRequest{Do: wire.DoCount, Model: "posts", At: at(4), Tx: 1}, "bad_request: a transaction cannot read the past"},
	} {
		if got := l.ask(c.req); !strings.Contains(got, c.says) {
			t.Errorf("%s at %d: %s; want %s", c.req.Do, *c.req.At, got, c.says)
		}
	}
	if app.Seq() != 5 {
		t.Errorf("something was committed: %d", app.Seq())
	}
}

// TestAnImpactIsWhatHappens compares what an impact says with what the commit then
// did, to each cursor of each connection.
func TestAnImpactIsWhatHappens(t *testing.T) {
	app, path := openControl(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", true)
	var posts []*Post
	for i := range 12 {
		posts = append(posts, makePost(t, app, []*User{ada, bob}[i%2], fmt.Sprint("post ", i), i%3 == 0))
	}
	for _, as := range []tower.ID{ada.ID, bob.ID, bob.ID, ""} {
		c := app.Connect(t, as)
		c.Open("posts.visible", nil)
		c.Open("posts.allLikes", nil)
		c.Open("posts.newest", map[string]any{"n": 3})
		c.Open("users.everyone", nil)
	}
	l := attach(t, path)
	l.do(wire.ControlRequest{Do: wire.DoWatch}, nil)
	for _, writes := range [][]wire.ControlRequest{
		{{Do: wire.DoUpdate, Model: "users", Key: string(bob.ID), Set: raws(`{"editor":false}`)}},
		{{Do: wire.DoUpdate, Model: "users", Key: string(ada.ID), Set: raws(`{"editor":true}`)}, {Do: wire.DoDelete, Model: "posts", Key: string(posts[11].ID)}},
		{{Do: wire.DoUpdateAll, Model: "posts", Set: raws(`{"likes":2}`)}, {Do: wire.DoCreate, Model: "posts", Set: raws(`{"title":"x","published":true}`)}},
		{{Do: wire.DoDelete, Model: "users", Key: string(bob.ID)}},
		{{Do: wire.DoDeleteAll, Model: "posts", Where: raws(`{"published":true}`)}},
	} {
		tx := l.begin()
		for _, req := range writes {
			req.Tx = tx
			if got := l.ask(req); strings.Contains(got, ": ") {
				t.Fatal(got)
			}
		}
		var impact wire.Impact
		if refused := l.do(wire.ControlRequest{Do: wire.DoImpact, Tx: tx}, &impact); refused != "" {
			t.Fatal(refused)
		}
		var foreseen []string
		for _, told := range impact.Reached {
			counts := map[string]int{}
			for _, turn := range told.Deltas {
				counts[turn.Op]++
			}
			if told.Value != nil {
				counts["change"]++
			}
			if told.Cursor != "" && len(counts) > 0 {
				foreseen = append(foreseen, fmt.Sprint(told.Connection, told.Cursor, counts["enter"], counts["change"], counts["leave"]))
			}
		}
		l.ask(wire.ControlRequest{Do: wire.DoCommit, Tx: tx})
		event := l.event(func(e wire.ControlEvent) bool { return e.Commit != nil && e.Commit.Seq == impact.Seq+1 }).Commit
		var happened []string
		for _, reach := range event.Reached {
			if reach.Enter+reach.Change+reach.Leave > 0 {
				happened = append(happened, fmt.Sprint(reach.Connection, reach.Cursor, reach.Enter, reach.Change, reach.Leave))
			}
		}
		slices.Sort(foreseen)
		slices.Sort(happened)
		if !slices.Equal(foreseen, happened) || len(happened) == 0 {
			t.Errorf("commit %d: foreseen\n%s\nhappened\n%s", event.Seq, strings.Join(foreseen, "\n"), strings.Join(happened, "\n"))
		}
	}
}
