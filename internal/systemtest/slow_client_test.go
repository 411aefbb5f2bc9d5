package systemtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// TestASlowClientGetsFewerFramesAndAllOfTheState lets a client read nothing until
// far more was committed than the system and its outbox hold: of the records,
// which change again and again, it gets the newest, and in time.
func TestASlowClientGetsFewerFramesAndAllOfTheState(t *testing.T) {
	app := openSample(t)
	ada := makeUser(t, app, "ada", true)
	slow := dial(t, app, ada)
	slow.ask(`{"hello":1}`)
	slow.ask(`{"id":1,"open":"posts.visible"}`)
	checkSlow(t, app, ada, slow.hear)
}

// checkSlow commits a lot, and only then lets a client hear it, who holds all
// posts and has an editor's rights.
func checkSlow(t *testing.T, app *towertest.App, ada *User, hear func() string) {
	t.Helper()
	const posts, edits = 60, 40
	ids := make([]tower.ID, posts)
	for edit := range edits {
		err := app.Transaction(t.Context(), func(tx *tower.Tx) (err error) {
			for i := range ids {
				title := fmt.Sprintf("%d/%d/%s", i, edit, strings.Repeat("🦀", 130))
				if edit == 0 {
					post := &Post{AuthorID: ada.ID, Title: title, Published: true}
					err = Posts.Create(t.Context(), tx, post)
					ids[i] = post.ID
				} else {
					_, err = Posts.Update(t.Context(), tx, ids[i], func(p *Post) error { p.Title = title; return nil })
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Wait(t.Context(), app.Seq()); err != nil {
		t.Fatal(err)
	}

	held, merged, frames := map[string]string{}, 0, 0
	for seq := uint64(0); seq < app.Seq(); {
		message := hear()
		texts, err := wire.Frames([]byte(message))
		if err != nil {
			t.Fatalf("%v: %.300s", err, message)
		}
		for _, text := range texts {
			var commit wire.Commit
			if err := json.Unmarshal(text, &commit); err != nil {
				t.Fatal(err)
			}
			seq = commit.Seq
			frames++
			if commit.From != 0 {
				merged++
			}
			hold(held, commit)
		}
	}
	t.Logf("%d frames for %d commits, %d of them merged", frames, edits, merged)
	if merged == 0 || frames > edits*3/4 {
		t.Errorf("%d frames for %d commits, %d of them merged", frames, edits, merged)
	}
	for i, id := range ids {
		if want := fmt.Sprintf("%d/%d/🦀", i, edits-1); !strings.HasPrefix(held[string(id)], want) {
			t.Errorf("of the post %d the slow client holds %q", i, held[string(id)])
		}
	}
}

// hold applies a commit to the titles of an unordered cursor's records.
func hold(held map[string]string, commit wire.Commit) {
	titles := map[string]string{}
	for _, record := range commit.Records["posts"] {
		var post Post
		_ = json.Unmarshal(record, &post)
		titles[string(post.ID)] = post.Title
	}
	for _, delta := range commit.Cursors {
		for _, d := range append([]wire.Delta{*delta}, delta.Then...) {
			for _, id := range d.Leave {
				delete(held, id)
			}
			for _, entry := range slices.Concat(d.Enter, d.Change) {
				held[entry.ID] = titles[entry.ID]
			}
		}
	}
}

// TestClosingEndsEverySocket closes an application with clients of which some do
// not read.
func TestClosingEndsEverySocket(t *testing.T) {
	app := openSample(t)
	var clients []raw
	for range 20 {
		c := dial(t, app, nil)
		c.ask(`{"hello":1}`)
		clients = append(clients, c)
	}
	closed := make(chan error, 1)
	go func() { closed <- app.Close() }()
	for _, c := range clients[10:] {
		if got := c.hear(); !strings.Contains(got, "1012") {
			t.Errorf("a client heard %q", got)
		}
	}
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the application does not close")
	}
	late, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(app.URL, "http")+"/_tower/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if _, _, err := late.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
		t.Errorf("a client that comes late heard %v", err)
	}
}
