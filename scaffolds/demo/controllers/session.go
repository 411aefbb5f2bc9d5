// Package controllers says what a client may see and do.
package controllers

import (
	"context"

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
	user, err := models.Users.Follow(ctx, c, c.UserID())
	if err != nil {
		return nil, err
	}
	if user != nil {
		c.SetLabel(user.Name)
	}
	return &Session{Connection: c, CurrentUser: user}, nil
}
