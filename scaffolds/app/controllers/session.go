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

// Connect returns the session of a new connection. Here everyone is a visitor: tower
// generate auth adds accounts. An application with users keeps the current user in its
// session, nil for a visitor, and follows it, so that a change of the user takes effect at
// once.
func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	s := &Session{Connection: c}
	return s, nil
}
