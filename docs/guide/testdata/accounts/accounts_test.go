package main

import (
	"net/http"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"

	"blog/models"
)

// Members see and write the notes of their team, owners and admins delete them, and who is removed
// loses them.
func TestNotesOfATeam(t *testing.T) {
	app := towertest.Open(t, Config())
	user := func(name string) *models.User {
		u := &models.User{Name: name, Email: name + "@example.com"}
		if err := models.Users.Create(t.Context(), app, u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	ada, bob, eve := user("ada"), user("bob"), user("eve")
	team := &models.Team{Name: "Crew"}
	if err := models.Teams.Create(t.Context(), app, team); err != nil {
		t.Fatal(err)
	}
	join := func(u *models.User, role string) tower.ID {
		m := &models.Membership{TeamID: team.ID, UserID: u.ID, Role: role}
		if err := models.Memberships.Create(t.Context(), app, m); err != nil {
			t.Fatal(err)
		}
		return m.ID
	}
	join(ada, "owner")
	place := join(bob, "member")

	of := map[string]any{"teamId": team.ID}
	client := app.Connect(t, bob.ID)
	notes := client.Open("notes.inTeam", of)
	note := map[string]any{"teamId": team.ID, "text": "Hello"}
	if got := client.Call("POST /notes", note); got.Status != http.StatusCreated {
		t.Fatalf("a member writes: %+v", got)
	}
	notes.AwaitLen(1)
	remove := "DELETE /notes/" + notes.IDs()[0]
	if got := client.Call(remove, nil); got.Status != http.StatusForbidden {
		t.Errorf("a member deletes: %+v", got)
	}
	stranger := app.Connect(t, eve.ID)
	if _, got := stranger.TryOpen("notes.inTeam", of); got.Status != http.StatusNotFound {
		t.Errorf("a stranger opens the list: %+v", got)
	}
	if got := stranger.Call("POST /notes", note); got.Status != http.StatusNotFound {
		t.Errorf("a stranger writes: %+v", got)
	}
	if got := stranger.Call(remove, nil); got.Status != http.StatusNotFound {
		t.Errorf("a stranger deletes: %+v", got)
	}
	if err := models.Memberships.Delete(t.Context(), app, place); err != nil {
		t.Fatal(err)
	}
	client.Await("no list", notes.Closed)
	if got := app.Connect(t, ada.ID).Call(remove, nil); got.Status != http.StatusOK {
		t.Errorf("an owner deletes: %+v", got)
	}
}
