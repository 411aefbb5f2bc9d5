// Package controllers defines what clients may see and do.
package controllers

import (
	"context"

	"github.com/towerkit/tower"
)

// Session is shared by the controllers of one connection.
type Session struct {
	*tower.Connection
}

// Connect returns the session of a new connection. Here everyone is a visitor. An
// application with users keeps the current user in its session, nil for a visitor,
// and follows it, so that a change of the user takes effect at once:
//
//	user, err := models.Users.Follow(ctx, c, c.UserID())
//	return &Session{Connection: c, CurrentUser: user}, err
func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	return &Session{Connection: c}, nil
}
