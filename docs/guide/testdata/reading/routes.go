package main

import (
	"github.com/towerkit/tower"

	"blog/controllers"
)

// Routes lists what clients may call and open.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)
	posts := tower.Mount(r, "posts", controllers.NewPosts)
	tower.Cursor(posts, "published", (*controllers.Posts).Published)
	return r
}
