package towertest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// TestASessionReadsUnderItsRules builds a controller without a client, and has it read
// under its own rule and follow as in a request.
func TestASessionReadsUnderItsRules(t *testing.T) {
	app := towertest.Open(t, Config())
	ada, bob := createUser(t, app, "Ada"), createUser(t, app, "Bob")
	note := &Note{OwnerID: ada.ID, Text: "Buy milk"}
	if err := Notes.Create(t.Context(), app, note); err != nil {
		t.Fatal(err)
	}
	for user, sees := range map[tower.ID]bool{ada.ID: true, bob.ID: false, "": false} {
		notes := NewNotes(app.Session(t, user).(*Session))
		if notes.UserID() != user {
			t.Errorf("the session of %q is of %q", user, notes.UserID())
		}
		_, err := tower.Visible(t.Context(), notes, Notes, note.ID)
		var coded *tower.Error
		if sees && err != nil || !sees && (!errors.As(err, &coded) || coded.Code != tower.CodeNotFound) {
			t.Errorf("%q reads the note: %v", user, err)
		}
		followed, err := Users.Follow(t.Context(), notes.Connection, user)
		if err != nil || (followed == nil) != (user == "") {
			t.Errorf("%q follows itself: %v, %v", user, followed, err)
		}
	}
}

// TestSessionsShareTheirConnection makes controllers of one client's sessions comparable.
func TestSessionsShareTheirConnection(t *testing.T) {
	var seen []*tower.Connection
	config := Config()
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*Session, error) {
		seen = append(seen, c)
		_, err := Users.Follow(ctx, c, c.UserID())
		return &Session{c}, err
	})
	notes := tower.Mount(r, "notes", NewNotes)
	tower.Cursor(notes, "all", (*NotesController).All)
	config.Routes = r
	app := towertest.Open(t, config)
	ada := createUser(t, app, "Ada")
	client := app.Connect(t, ada.ID)
	client.Open("notes.all", nil)
	before := len(seen)
	if _, err := Users.Update(t.Context(), app, ada.ID, func(u *User) error { u.Name = "Ada L."; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := app.Wait(t.Context(), app.Seq()); err != nil {
		t.Fatal(err)
	}
	if len(seen) != before+1 || seen[before] != seen[0] {
		t.Errorf("connect was called with %v", seen)
	}
}

// TestWhatIsAwaitedMayReadCursors waits by functions that read what the client holds. They see
// whole messages: a note enters both lists in one.
func TestWhatIsAwaitedMayReadCursors(t *testing.T) {
	app := towertest.Open(t, Config())
	ada := createUser(t, app, "Ada")
	client := app.Connect(t, ada.ID)
	one, other := client.Open("notes.all", nil), client.Open("notes.all", nil)
	for range 50 {
		if err := Notes.Create(t.Context(), app, &Note{OwnerID: ada.ID, Text: "Buy milk"}); err != nil {
			t.Fatal(err)
		}
	}
	client.Await("50 notes", func() bool {
		if one.Closed() || one.Len() != other.Len() {
			t.Errorf("%d and %d notes, closed %t", one.Len(), other.Len(), one.Closed())
		}
		return len(client.Frames()) > 0 && one.Len() == 50
	})
	one.Await(func(ids []string) bool { return len(ids) == other.Len() })
}
