package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"github.com/towerkit/tower/scaffolds/demo/models"
)

// Users lists the users, and signs in as one of them. This is a sample: there are no
// passwords.
type Users struct{ *Session }

// NewUsers makes the controller of one connection.
func NewUsers(s *Session) *Users { return &Users{s} }

// UserInput is the input of Enter.
type UserInput struct {
	User tower.ID `json:"user"`
}

// All is the live list of the users to sign in as.
func (c *Users) All(ctx context.Context, in tower.None) (tower.Scope[models.User], error) {
	return models.Everyone().Limit(50), nil
}

// Enter answers POST /session: it signs in.
func (c *Users) Enter(ctx context.Context, in UserInput) (tower.None, error) {
	user, err := models.Users.Find(ctx, c, in.User)
	if err != nil {
		return tower.None{}, err
	}
	c.SignIn(ctx, user.ID)
	return tower.None{}, nil
}

// Leave answers DELETE /session: it signs out.
func (c *Users) Leave(ctx context.Context, in tower.None) (tower.None, error) {
	c.SignOut(ctx)
	return tower.None{}, nil
}
