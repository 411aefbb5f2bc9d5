package models

import "github.com/towerkit/tower"

// Card is something to do.
type Card struct {
	tower.Record
	Title  string  `json:"title" validate:"required,max=120"`
	Column string  `json:"column" validate:"oneof=todo doing done" tower:"index"`
	Place  float64 `json:"place"` // in its column; the least is on top
}

var Cards = tower.NewModel[Card]("cards")

// In returns the cards of a column, from top to bottom.
func In(column string) tower.Scope[Card] {
	card := Cards.Fields
	return Cards.Where(tower.Is(&card.Column, column)).Asc(&card.Place)
}
