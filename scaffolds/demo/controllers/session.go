// Package controllers defines what clients may see and do.
package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"github.com/towerkit/tower/scaffolds/demo/models"
)

// Session is shared by the controllers of one connection.
type Session struct {
	*tower.Connection
	CurrentUser *models.User // nil for a visitor
}

// Connect returns the session of a new connection. It follows the user, so tower calls
// it again in a commit that changes the user.
func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	user, err := models.Users.Follow(ctx, c, c.UserID())
	if err != nil {
		return nil, err
	}
	if user != nil {
		c.SetLabel(user.Name)
	}
	return &Session{Connection: c, CurrentUser: user}, nil
}
