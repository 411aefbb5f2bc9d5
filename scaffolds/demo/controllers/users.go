package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"github.com/towerkit/tower/scaffolds/demo/models"
)

// Users is who there is, and being one of them. There are no passwords here:
// this is a sample.
type Users struct{ *Session }

// NewUsers makes the controller of one connection.
func NewUsers(s *Session) *Users { return &Users{s} }

// SignInAs is the input of SignIn.
type SignInAs struct {
	User tower.ID `json:"user"`
}

// All is who one can sign in as.
func (c *Users) All(ctx context.Context, in struct{}) (tower.Scope[models.User], error) {
	return models.Everyone().Limit(50), nil
}

// SignIn answers POST /session.
func (c *Users) SignIn(ctx context.Context, in SignInAs) (struct{}, error) {
	user, err := models.Users.Find(ctx, c, in.User)
	if err != nil {
		return struct{}{}, err
	}
	c.Session.SignIn(ctx, user.ID)
	return struct{}{}, nil
}

// SignOut answers DELETE /session.
func (c *Users) SignOut(ctx context.Context, in struct{}) (struct{}, error) {
	c.Session.SignOut(ctx)
	return struct{}{}, nil
}
