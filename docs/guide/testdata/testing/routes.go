package main

import (
	"github.com/towerkit/tower"

	"blog/controllers"
)

// Routes lists what clients may call and open.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)
	posts := tower.Mount(r, "posts", controllers.NewPosts)
	tower.Page(posts, "GET /posts", tower.ViewOnly)
	tower.Cursor(posts, "published", (*controllers.Posts).Published)
	tower.Action(posts, "POST /posts", (*controllers.Posts).Create)
	return r
}
