package main

import (
	"github.com/towerkit/tower"

	"kanban/controllers"
)

// Routes lists what clients may call and open.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)

	board := tower.Mount(r, "board", controllers.NewBoard)
	tower.Page(board, "GET /", tower.ViewOnly)

	cards := tower.Mount(r, "cards", controllers.NewCards)
	tower.Cursor(cards, "in", (*controllers.Cards).In)
	tower.Action(cards, "POST /cards", (*controllers.Cards).Create)
	tower.Action(cards, "PATCH /cards/{id}", (*controllers.Cards).Update)
	tower.Action(cards, "DELETE /cards/{id}", (*controllers.Cards).Delete)

	return r
}
