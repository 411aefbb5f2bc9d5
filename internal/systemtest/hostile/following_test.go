package hostile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
)

const between = 300 // hidden notes between two of a user's own

// scatterNotes creates notes of a user, each after many that are hidden from the user. It returns the ids of the
// user's notes, newest first.
func (a attacker) scatterNotes(user tower.ID, count int) (own []tower.ID) {
	a.t.Helper()
	for range count {
		if err := a.app.Transaction(a.t.Context(), func(tx *tower.Tx) error {
			for i := range between + 1 {
				note := &Note{Title: "hidden"}
				if i == between {
					note = &Note{Title: "own", OwnerID: user}
				}
				if err := Notes.Create(a.t.Context(), tx, note); err != nil {
					return err
				}
				if i == between {
					own = append([]tower.ID{note.ID}, own...)
				}
			}
			return nil
		}); err != nil {
			a.t.Fatal(err)
		}
	}
	return own
}

// TestOpenCursorsHaveAShareOfReading empties a window again and again. To find the next records of the window, the
// server reads many others while it follows a commit. A user who has caused too much of that loses the connection, and
// waits for a turn to open the window again. Another user with the same query keeps the connection.
func TestOpenCursorsHaveAShareOfReading(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transport string) {
		config := notebook()
		config.Limits = tower.Limits{MaxReading: 100 * time.Microsecond, MaxRate: 1000, Timeout: 5 * time.Minute}
		a := attack(t, config)
		mallory, bob := a.makeUser("mallory"), a.makeUser("bob")
		a.as(bob.ID).scatterNotes(bob.ID, 20)
		own := a.scatterNotes(mallory.ID, 60)
		const open = `{"id":1,"open":"notes.newest","in":{"n":3}}`
		victim := a.as(bob.ID).greet(transport)
		if opened := victim.answer(1, open); len(opened.IDs) != 3 {
			t.Fatalf("%+v", opened)
		}
		greedy := a.as(mallory.ID).greet(transport)
		if opened := greedy.answer(1, open); len(opened.IDs) != 3 {
			t.Fatalf("%+v", opened)
		}
		deleted := 0
		for end := (*wire.End)(nil); end == nil; {
			if deleted == len(own) {
				t.Fatal("the server went on reading")
			}
			if err := Notes.Delete(t.Context(), a.app, own[deleted]); err != nil {
				t.Fatal(err)
			}
			deleted++
			if _, end = greedy.tryHear(); end != nil && (end.Code != 1013 || !strings.Contains(end.Reason, "costly")) {
				t.Errorf("it ended with %d %s", end.Code, end.Reason)
			}
		}
		if deleted < 12 {
			t.Errorf("the connection ended after %d notes, with the first read", deleted)
		}
		again := a.as(mallory.ID).greet(transport)
		if opened := again.answer(1, open); fmt.Sprint(opened.IDs) != fmt.Sprint(own[deleted:deleted+3]) {
			t.Errorf("it opened %v again, want %v", opened.IDs, own[deleted:deleted+3])
		}
		note := &Note{Title: "new", OwnerID: bob.ID}
		if err := Notes.Create(t.Context(), a.app, note); err != nil {
			t.Fatal(err)
		}
		if heard := victim.hear(); !strings.Contains(heard, string(note.ID)) {
			t.Errorf("the other user receives %s", heard)
		}
	})
}
