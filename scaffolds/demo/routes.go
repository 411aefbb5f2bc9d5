package main

import (
	"github.com/towerkit/tower"

	"github.com/towerkit/tower/scaffolds/demo/controllers"
)

// Routes lists what clients may call and open.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)

	posts := tower.Mount(r, "posts", controllers.NewPosts)
	tower.Page(posts, "GET /", tower.ViewOnly)
	tower.Cursor(posts, "published", (*controllers.Posts).Published)
	tower.Cursor(posts, "mine", (*controllers.Posts).Mine)
	tower.Action(posts, "POST /posts", (*controllers.Posts).Create, tower.FormPage("GET /"), tower.RedirectTo("/"))
	tower.Action(posts, "PATCH /posts/{id}", (*controllers.Posts).Update, tower.RedirectTo("/"))
	tower.Action(posts, "DELETE /posts/{id}", (*controllers.Posts).Delete, tower.RedirectTo("/"))

	users := tower.Mount(r, "users", controllers.NewUsers)
	tower.Cursor(users, "all", (*controllers.Users).All)
	tower.Action(users, "POST /session", (*controllers.Users).Enter, tower.RedirectTo("/"))
	tower.Action(users, "DELETE /session", (*controllers.Users).Leave, tower.RedirectTo("/"))

	return r
}
