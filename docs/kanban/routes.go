package main

import (
	"github.com/towerkit/tower"

	"kanban/controllers"
)

// Routes says what a client may ask for.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)

	board := tower.Mount(r, "board", controllers.NewBoard)
	tower.Page(board, "GET /", (*controllers.Board).Index)

	cards := tower.Mount(r, "cards", controllers.NewCards)
	tower.Cursor(cards, "in", (*controllers.Cards).In)
	tower.Action(cards, "POST /cards", (*controllers.Cards).Create)
	tower.Action(cards, "PATCH /cards/{id}", (*controllers.Cards).Update)
	tower.Action(cards, "DELETE /cards/{id}", (*controllers.Cards).Delete)

	return r
}
