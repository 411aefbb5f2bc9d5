package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"kanban/models"
)

// Cards are what is done with the cards.
type Cards struct{ *Session }

// NewCards makes the controller of one connection.
func NewCards(s *Session) *Cards { return &Cards{s} }

// Column names one.
type Column struct {
	Column string `json:"column" validate:"required,oneof=todo doing done"`
}

// NewCard is the input of Create. The id is made by the client, so that a card
// has it before the server knows of it.
type NewCard struct {
	ID     tower.ID `json:"id"`
	Title  string   `json:"title"`
	Column string   `json:"column" validate:"required,oneof=todo doing done"`
	Place  float64  `json:"place"`
}

// EditCard is the input of Update. What is not sent stays as it is.
type EditCard struct {
	ID     tower.ID `json:"id"`
	Title  *string  `json:"title"`
	Column *string  `json:"column"`
	Place  *float64 `json:"place"`
}

// CardID names one card.
type CardID struct {
	ID tower.ID `json:"id"`
}

// In is the live list of a column.
func (c *Cards) In(ctx context.Context, in Column) (tower.Scope[models.Card], error) {
	return models.In(in.Column), nil
}

// Create answers POST /cards.
func (c *Cards) Create(ctx context.Context, in NewCard) (*models.Card, error) {
	card := &models.Card{Record: tower.Record{ID: in.ID}, Title: in.Title, Column: in.Column, Place: in.Place}
	return card, models.Cards.Create(ctx, c, card)
}

// Update answers PATCH /cards/{id}.
func (c *Cards) Update(ctx context.Context, in EditCard) (*models.Card, error) {
	return models.Cards.Update(ctx, c, in.ID, func(card *models.Card) error {
		if in.Title != nil {
			card.Title = *in.Title
		}
		if in.Column != nil {
			card.Column = *in.Column
		}
		if in.Place != nil {
			card.Place = *in.Place
		}
		return nil
	})
}

// Delete answers DELETE /cards/{id}.
func (c *Cards) Delete(ctx context.Context, in CardID) (struct{}, error) {
	return struct{}{}, models.Cards.Delete(ctx, c, in.ID)
}
