// Package controllers defines what clients may see and do.
package controllers

import (
	"context"

	"github.com/towerkit/tower"
)

// Session is shared by the controllers of one connection.
type Session struct{ *tower.Connection }

// Connect returns the session of a new connection. In this office, everyone may do everything.
func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	return &Session{c}, nil
}
