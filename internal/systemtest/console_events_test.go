package systemtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

func watch(t *testing.T, path string) *line {
	t.Helper()
	l := attach(t, path)
	if problem := l.do(wire.ControlRequest{Do: wire.DoWatch}, nil); problem != "" {
		t.Fatal(problem)
	}
	return l
}

func ofCommit(seq uint64) func(wire.ControlEvent) bool {
	return func(e wire.ControlEvent) bool { return e.Commit != nil && e.Commit.Seq == seq }
}

func TestAConsoleIsToldWhatBecameOfACommit(t *testing.T) {
	app, path := openControl(t)
	ada, bob := makeUser(t, app, "ada", false), makeUser(t, app, "bob", false)
	first := makePost(t, app, ada, "First", true)
	mine, others := app.Connect(t, ada.ID), app.Connect(t, bob.ID)
	mine.Open("posts.visible", nil)
	mine.Open("posts.newest", map[string]any{"n": 1})
	mine.Open("posts.allLikes", nil)
	others.Open("posts.visible", nil)
	narrow, _ := others.TryNarrow("posts.visible", towertest.Narrowing{Where: map[string]any{"title": "Else"}})
	narrow.AwaitLen(0)
	others.Open("users.everyone", nil)
	l := watch(t, path)

	makePost(t, app, ada, "A draft", false)
	event := l.event(ofCommit(app.Seq())).Commit
	if got, want := reaches(event), []string{
		"ada posts.allLikes same", "ada posts.newest enter 1 leave 1", "ada posts.visible enter 1",
		"bob posts.visible denied by PostsController.Match", "bob posts.visible unmatched",
	}; !slices.Equal(got, want) {
		t.Errorf("a draft: %q", got)
	}
	if !event.Asked || event.ReachedAll != 1 || event.ChangesAll != 1 || event.Connections != 2 || event.By != "app" {
		t.Errorf("%+v", event)
	}
	applied := l.event(func(e wire.ControlEvent) bool { return e.Applied != nil }).Applied
	if applied.Seq != event.Seq || applied.Connection != event.Reached[0].Connection || applied.Micros < event.Micros/2 {
		t.Errorf("%+v of %+v", applied, event)
	}

	// What an update changed is told field by field, but nothing private.
	if _, err := Posts.Update(t.Context(), app, first.ID, func(p *Post) error {
		p.Title, p.Likes = "The first, with a title that has grown "+strings.Repeat("and grown ", 9), 3
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	change := l.event(ofCommit(app.Seq())).Commit.Changes[0]
	if !slices.Equal(change.Fields, []string{"title", "likes"}) || len(change.Values) != 2 ||
		change.Values[0].Before != `"First"` || change.Values[1] != (wire.FieldChange{Name: "likes", Before: "0", After: "3"}) {
		t.Errorf("%+v", change)
	}
	if _, err := Users.Update(t.Context(), app, bob.ID, func(u *User) error { u.Secret = "other"; return nil }); err != nil {
		t.Fatal(err)
	}
	change = l.event(ofCommit(app.Seq())).Commit.Changes[0]
	if !slices.Equal(change.Fields, []string{"secret"}) || len(change.Values) != 0 {
		t.Errorf("a private field: %+v", change)
	}

	// A record beyond the window, by somebody with a name.
	if err := Posts.Delete(tower.WithAuthor(t.Context(), "job: sweep"), app, first.ID); err != nil {
		t.Fatal(err)
	}
	event = l.event(ofCommit(app.Seq())).Commit
	if event.By != "job: sweep" {
		t.Errorf("by %q", event.By)
	}
	if got := reaches(event); !slices.Contains(got, "ada posts.newest outside") || !slices.Contains(got, "bob posts.visible leave 1") {
		t.Errorf("beyond the window: %q", got)
	}

	var connections []wire.ConnectionInfo
	l.do(wire.ControlRequest{Do: wire.DoConnections}, &connections)
	if len(connections) != 2 || connections[0].Applied == 0 || connections[0].Lag <= 0 {
		t.Errorf("%+v", connections)
	}
	var cursors []wire.CursorInfo
	l.do(wire.ControlRequest{Do: wire.DoCursors}, &cursors)
	newest := cursors[slices.IndexFunc(cursors, func(c wire.CursorInfo) bool { return c.Names[0] == "posts.newest" })]
	if newest.Evaluations < 2 || newest.Micros == 0 || !slices.Equal(newest.Connections, []uint64{connections[0].ID}) {
		t.Errorf("%+v", newest)
	}
}

// reaches are what became of a commit, in words and sorted.
func reaches(event *wire.CommitEvent) []string {
	var out []string
	for _, r := range event.Reached {
		text := r.User + " " + r.Cursor
		for _, part := range []struct {
			what string
			n    int
		}{{"enter", r.Enter}, {"change", r.Change}, {"leave", r.Leave}} {
			if part.n > 0 {
				text += fmt.Sprintf(" %s %d", part.what, part.n)
			}
		}
		if r.Outcome != "" {
			text += " " + string(r.Outcome)
		}
		if r.By != "" {
			text += " by " + r.By
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

func TestAConsoleIsToldOfMoreThanAPersonCanFollow(t *testing.T) {
	app, path := openControl(t)
	l := watch(t, path)
	const all = 1000
	for range all {
		makeUser(t, app, "user "+string(tower.NewID()), false)
	}
	full, counted := 0, 0
	for full+counted < all {
		e := l.event(func(e wire.ControlEvent) bool { return e.Commit != nil || e.Skipped != nil })
		if e.Commit != nil {
			full++
			continue
		}
		counted += e.Skipped.Commits
		if len(e.Skipped.Changes) != 1 || e.Skipped.Changes[0] != (wire.Count{Op: "create", Model: "users", N: e.Skipped.Commits}) {
			t.Errorf("%+v", e.Skipped)
		}
	}
	if full+counted != all || full < 100 || full > 600 {
		t.Errorf("%d told, %d counted", full, counted)
	}
}

// A console that stops reading holds up nobody, and is told later how much it
// has missed.
func TestAConsoleThatDoesNotReadHoldsUpNobody(t *testing.T) {
	app, path := openControl(t)
	ada := makeUser(t, app, "ada", false)
	list := app.Connect(t, ada.ID).Open("posts.visible", nil)
	l := watch(t, path)
	from := app.Seq()
	// Far more than the socket and its queue take.
	text := strings.Repeat("x", 100)
	const all = 400
	for i := range all {
		err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
			for j := range 50 {
				post := &Post{AuthorID: ada.ID, Title: fmt.Sprint(i, j, text)}
				if err := Posts.Create(t.Context(), tx, post); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	list.AwaitLen(all * 50)
	told := 0
	for told < all {
		e := l.event(func(e wire.ControlEvent) bool { return e.Commit != nil || e.Skipped != nil })
		if told++; e.Skipped != nil {
			told += e.Skipped.Commits - 1
		}
	}
	if told != all || app.Seq() != from+all {
		t.Errorf("told of %d", told)
	}
}

func TestAConsoleReadsTheLog(t *testing.T) {
	app, path := openControl(t)
	app.Log().With("job", "mail").WithGroup("to").Warn("could not send", "user", "ada b")
	l := watch(t, path)
	app.Log().Info("later")
	isLog := func(e wire.ControlEvent) bool { return e.Log != nil }
	before, after := l.event(isLog).Log, l.event(isLog).Log
	if before.Level != "WARN" || before.Message != "could not send" || before.Attrs != `job=mail to.user="ada b"` || before.At.IsZero() {
		t.Errorf("%+v", before)
	}
	if after.Message != "later" || after.Level != "INFO" || after.Attrs != "" {
		t.Errorf("%+v", after)
	}
}

// frame reads a stream of the console's until a frame of it holds all of the
// texts, and returns that.
func (l *line) frame(stream uint64, parts ...string) string {
	l.t.Helper()
	for i := 0; ; {
		for ; i < len(l.events); i++ {
			event := l.events[i].Stream
			if event == nil || event.Stream != stream {
				continue
			}
			text := string(event.Frames)
			if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) }) {
				l.events = slices.Delete(l.events, i, i+1)
				return text
			}
		}
		if reply := l.read(); reply.Event != nil {
			l.events = append(l.events, *reply.Event)
		}
	}
}

func TestAConsoleHoldsCursors(t *testing.T) {
	app, path := openControl(t)
	ada := makeUser(t, app, "ada", false)
	first := makePost(t, app, ada, "First", true)
	l := watch(t, path)
	for _, refused := range []struct {
		req  wire.ControlRequest
		says string
	}{
		{wire.ControlRequest{Do: wire.DoOpen, Stream: 1, Name: "posts.nope"}, `there is no cursor "posts.nope"`},
		{wire.ControlRequest{Do: wire.DoOpen, Stream: 1, Name: "posts.newest", In: raws(`{"n":99}`)}, "n:"},
		{wire.ControlRequest{Do: wire.DoOpen, Stream: 1, Model: "nope"}, `there is no model "nope"`},
		{wire.ControlRequest{Do: wire.DoOpen, Stream: 1, Model: "posts", Order: []string{"nope"}}, "nope"},
		{wire.ControlRequest{Do: wire.DoOpen, Stream: 1, Model: "posts", Since: "x"}, "since"},
		{wire.ControlRequest{Do: wire.DoClose, Stream: 1}, "stream 1 is not open"},
	} {
		if got := l.do(refused.req, nil); !strings.Contains(got, refused.says) {
			t.Errorf("%+v: %q", refused.req, got)
		}
	}

	// A declared cursor as a visitor and as its author, and a query of the console's own.
	open := func(req wire.ControlRequest) {
		t.Helper()
		req.Do = wire.DoOpen
		if problem := l.do(req, nil); problem != "" {
			t.Fatal(problem)
		}
	}
	open(wire.ControlRequest{Stream: 1, Name: "posts.visible"})
	l.frame(1, `"model":"posts"`, string(first.ID))
	open(wire.ControlRequest{Stream: 2, Name: "posts.visible", As: string(ada.ID)})
	l.frame(2, string(first.ID))
	open(wire.ControlRequest{Stream: 3, Model: "posts", Where: raws(`{"published":false}`), Order: []string{"-createdAt"}, Limit: 1})
	answer := l.frame(3, `"posts":[]`)
	joined := 0
	var connections []wire.ConnectionInfo
	l.do(wire.ControlRequest{Do: wire.DoConnections}, &connections)
	for _, c := range connections {
		if joined++; c.Transport != "console" || c.Remote != "console:test" || len(c.Cursors) != 1 {
			t.Errorf("%+v", c)
		}
	}
	if joined != 3 || connections[1].User != "ada" || connections[2].Cursors[0] != "posts where published is false by -createdAt limit 1" {
		t.Errorf("%+v", connections)
	}

	draft := makePost(t, app, ada, "A draft", false)
	l.frame(2, "A draft", `"enter"`)
	l.frame(3, "A draft", `"enter"`)
	makePost(t, app, ada, "Published", true)
	if text := l.frame(1, "Published"); strings.Contains(text, "draft") {
		t.Errorf("a visitor was sent %s", text)
	}

	// One that comes back is told what it missed.
	if problem := l.do(wire.ControlRequest{Do: wire.DoClose, Stream: 3}, nil); problem != "" {
		t.Fatal(problem)
	}
	var at struct{ At string }
	if err := json.Unmarshal([]byte(answer), &at); err != nil {
		t.Fatal(err)
	}
	open(wire.ControlRequest{Stream: 3, Model: "posts", Where: raws(`{"published":false}`), Order: []string{"-createdAt"}, Limit: 1, Since: at.At})
	l.frame(3, `"since":"`+at.At+`"`, `"delta":{"enter":[{"id":"`+string(draft.ID))

	if problem := l.do(wire.ControlRequest{Do: wire.DoOpen, Stream: 3, Name: "posts.visible"}, nil); !strings.Contains(problem, "stream 3 is already open") {
		t.Error(problem)
	}
	l.conn.Close()
	l = attach(t, path)
	for len(connections) > 0 {
		l.do(wire.ControlRequest{Do: wire.DoConnections}, &connections)
	}
}

// A stream that is not read is merged, and loses nothing.
func TestAStreamThatLagsIsMerged(t *testing.T) {
	app, path := openControl(t)
	ada := makeUser(t, app, "ada", false)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, `{"id":1,"do":"open","stream":1,"model":"posts"}`)
	const writers, each = 30, 50
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range each {
				if err := Posts.Create(t.Context(), app, &Post{AuthorID: ada.ID, Title: strings.Repeat("x", 140)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	lines, merged, entered := bufio.NewScanner(conn), false, 0
	lines.Buffer(nil, 1<<24)
	for entered < writers*each && lines.Scan() {
		merged = merged || strings.Contains(lines.Text(), `"from":`)
		entered += strings.Count(lines.Text(), `"createdAt":`)
	}
	if entered != writers*each || !merged {
		t.Errorf("%d records entered (%v); merged: %v", entered, lines.Err(), merged)
	}
}

// A client that asks for changes again and again is one client, and a connection that
// never said hello is none.
func TestAConsoleKnowsAPollingClientAsOne(t *testing.T) {
	var a *snippetsApp
	_, path := controlled(t, func() *towertest.App {
		a = openSnippets(t, nil)
		return a.App
	})
	a.T = t
	ada := a.person("ada")
	a.snippet(ada, "a", 1, true)
	l := watch(t, path)
	const starred = "/_tower/read/snippets/starred?atLeast=1"
	for range 3 {
		_, now := a.read(starred)
		if response, _ := a.read(starred + "&since=" + url.QueryEscape(now.At) + "&wait=50ms"); response.StatusCode != http.StatusNoContent {
			t.Fatal(response.Status)
		}
	}
	response, err := http.Post(a.URL+"/_tower/poll", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	var opened wire.Delivery
	if err := errors.Join(json.NewDecoder(response.Body).Decode(&opened), response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if response, err = http.Post(a.URL+"/_tower/send", "application/json", strings.NewReader(`{"link":"`+opened.Link+`","end":true}`)); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()

	a.snippet(ada, "b", 1, true)
	for joined := 0; ; {
		e := l.event(func(e wire.ControlEvent) bool { return e.Joined != nil || e.Left != 0 || e.Commit != nil })
		switch {
		case e.Joined != nil:
			if joined++; joined > 1 || e.Joined.Transport != "read" {
				t.Errorf("joined: %+v", e.Joined)
			}
		case e.Left != 0:
			t.Errorf("%d left", e.Left)
		case e.Commit.Changes[0].Label == "b":
			if joined != 1 {
				t.Errorf("%d joined", joined)
			}
			return
		}
	}
}
