package main

import (
	"github.com/towerkit/tower"

	"github.com/towerkit/tower/scaffolds/app/controllers"
)

// Routes lists what clients may call and open.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)

	home := tower.Mount(r, "home", controllers.NewHome)
	tower.Page(home, "GET /", tower.ViewOnly)

	return r
}
