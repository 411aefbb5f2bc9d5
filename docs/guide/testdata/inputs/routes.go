package main

import (
	"github.com/towerkit/tower"

	"blog/controllers"
)

// Routes lists what clients may call and open.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)
	tasks := tower.Mount(r, "tasks", controllers.NewTasks)
	tower.Action(tasks, "POST /tasks", (*controllers.Tasks).Create)
	tower.Action(tasks, "PATCH /tasks/{id}", (*controllers.Tasks).Update)
	return r
}
