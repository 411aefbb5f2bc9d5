package main

import (
	"github.com/towerkit/tower"

	"blog/controllers"
)

// Routes lists what clients may call and open.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)
	notes := tower.Mount(r, "notes", controllers.NewNotes)
	tower.Cursor(notes, "inTeam", (*controllers.Notes).InTeam)
	tower.Action(notes, "POST /notes", (*controllers.Notes).Create, tower.Only(tower.SignedIn()))
	tower.Action(notes, "DELETE /notes/{id}", (*controllers.Notes).Delete, tower.Only(tower.SignedIn()))
	return r
}
