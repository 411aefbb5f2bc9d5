package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"blog/models"
)

// A Session is what all controllers of one connection share.
type Session struct {
	*tower.Connection
	CurrentUser *models.User // nil for a visitor
}

// Connect finds out who a client is.
func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	session := &Session{Connection: c}
	if c.UserID() == "" {
		return session, nil
	}
	user, err := models.Users.Follow(ctx, c, c.UserID())
	if err != nil {
		return nil, err
	}
	session.CurrentUser = user
	c.SetLabel(user.First)
	return session, nil
}
