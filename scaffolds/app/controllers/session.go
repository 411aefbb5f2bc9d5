// Package controllers says what a client may see and do.
package controllers

import (
	"context"

	"github.com/towerkit/tower"
)

// Session is what the controllers of one connection share.
type Session struct {
	*tower.Connection
}

// Connect is asked once for each connection: who is it? Here, everyone is a
// visitor. An application with users keeps the current one in its session, nil
// for a visitor, and follows it, so that a change of the user is felt at once:
//
//	user, err := models.Users.Follow(ctx, c, c.UserID())
//	return &Session{Connection: c, CurrentUser: user}, err
func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	return &Session{Connection: c}, nil
}
