// Package controllers says what a client may see and do.
package controllers

import (
	"context"

	"github.com/towerkit/tower"
)

// Session is what the controllers of one connection share.
type Session struct{ *tower.Connection }

// Connect is asked once for each connection: who is it? On this board, anybody.
func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	return &Session{c}, nil
}
