package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"kanban/models"
)

// Cards lists and changes the cards.
type Cards struct{ *Session }

// NewCards makes the controller of one connection.
func NewCards(s *Session) *Cards { return &Cards{s} }

// Column is the input of In.
type Column struct {
	Column string `json:"column" validate:"required,oneof=todo doing done"`
}

// CardInput is the input of Create and Update. A field that is not sent is nil: Update
// leaves it as it is. The client chooses the ID of a card that it creates, so the card
// keeps its ID when the server answers.
type CardInput struct {
	ID     tower.ID `json:"id"`
	Title  *string  `json:"title"`
	Column *string  `json:"column" validate:"omitnil,oneof=todo doing done"`
	Place  *float64 `json:"place"`
}

// CardID is the input of Delete.
type CardID struct {
	ID tower.ID `json:"id"`
}

// In is the live list of a column.
func (c *Cards) In(ctx context.Context, in Column) (tower.Scope[models.Card], error) {
	return models.In(in.Column), nil
}

// Create answers POST /cards.
func (c *Cards) Create(ctx context.Context, in CardInput) (*models.Card, error) {
	card := &models.Card{}
	if err := tower.Assign(card, in); err != nil {
		return nil, err
	}
	return card, models.Cards.Create(ctx, c, card)
}

// Update answers PATCH /cards/{id}.
func (c *Cards) Update(ctx context.Context, in CardInput) (*models.Card, error) {
	return tower.UpdateVisible(ctx, c, models.Cards, in.ID, func(card *models.Card) error {
		return tower.Assign(card, in)
	})
}

// Delete answers DELETE /cards/{id}.
func (c *Cards) Delete(ctx context.Context, in CardID) (tower.None, error) {
	return tower.None{}, tower.DeleteVisible(ctx, c, models.Cards, in.ID)
}
