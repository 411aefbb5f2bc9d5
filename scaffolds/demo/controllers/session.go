// Package controllers says what a client may see and do.
package controllers

import (
	"context"
	"errors"

	"github.com/towerkit/tower"

	"github.com/towerkit/tower/scaffolds/demo/models"
)

// Session is what the controllers of one connection share.
type Session struct {
	*tower.Connection
	CurrentUser *models.User // nil for a visitor
}

// Connect is asked once for each connection: who is it? It follows the user,
// so it is asked again in the commit that changes them.
func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	s := &Session{Connection: c}
	if c.UserID() == "" {
		return s, nil
	}
	user, err := models.Users.Follow(ctx, c, c.UserID())
	var problem *tower.Error
	if errors.As(err, &problem) && problem.Code == "not_found" {
		return s, nil // someone who was deleted is a visitor
	}
	if err != nil {
		return nil, err
	}
	c.SetLabel(user.Name)
	s.CurrentUser = user
	return s, nil
}
