package main

import (
	"github.com/towerkit/tower"

	"github.com/towerkit/tower/scaffolds/app/controllers"
)

// Routes says what a client may ask for.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)

	home := tower.Mount(r, "home", controllers.NewHome)
	tower.Page(home, "GET /", (*controllers.Home).Index)

	return r
}
