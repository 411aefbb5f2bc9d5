package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"blog/models"
)

// Posts is what a client may do with posts.
type Posts struct{ *Session }

// NewPosts returns the posts of a session.
func NewPosts(s *Session) *Posts { return &Posts{s} }

// Published is the live list of posts.
func (c *Posts) Published(ctx context.Context, in tower.None) (tower.Scope[models.Post], error) {
	return models.Published(), nil
}
