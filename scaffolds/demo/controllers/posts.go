package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"github.com/towerkit/tower/scaffolds/demo/models"
)

// Posts is the board, and the posts of the current user.
type Posts struct{ *Session }

// NewPosts makes the controller of one connection.
func NewPosts(s *Session) *Posts { return &Posts{s} }

// PostID is the input of Delete.
type PostID struct {
	ID tower.ID `json:"id"`
}

// PostInput is the input of Create and Update. A field that is not sent is nil: Update
// leaves it as it is. A client may choose the ID of a post that it creates, and so show
// the post before the server has answered.
type PostInput struct {
	ID        tower.ID `json:"id"`
	Title     *string  `json:"title"`
	Body      *string  `json:"body"`
	Published *bool    `json:"published"`
}

// Match decides which posts the current user may see: published posts, and the user's
// own drafts.
func (c *Posts) Match(post *models.Post) bool {
	return post.Published || c.wrote(post)
}

func (c *Posts) wrote(post *models.Post) bool {
	return c.CurrentUser != nil && post.AuthorID == c.CurrentUser.ID
}

// Published is the live list for everyone.
func (c *Posts) Published(ctx context.Context, in tower.None) (tower.Scope[models.Post], error) {
	return models.Published().Limit(20), nil
}

// Mine is the live list of the current user's posts, with drafts.
func (c *Posts) Mine(ctx context.Context, in tower.None) (tower.Scope[models.Post], error) {
	if c.CurrentUser == nil {
		return tower.Scope[models.Post]{}, tower.Unauthenticated("Sign in to see your posts.")
	}
	return models.PostsBy(c.CurrentUser.ID).Limit(20), nil
}

// Create answers POST /posts.
func (c *Posts) Create(ctx context.Context, in PostInput) (*models.Post, error) {
	if c.CurrentUser == nil {
		return nil, tower.Unauthenticated("Sign in to write.")
	}
	post := &models.Post{AuthorID: c.CurrentUser.ID}
	if err := tower.Assign(post, in); err != nil {
		return nil, err
	}
	return post, models.Posts.Create(ctx, c, post)
}

// Update answers PATCH /posts/{id}.
func (c *Posts) Update(ctx context.Context, in PostInput) (*models.Post, error) {
	return tower.UpdateVisible(ctx, c, models.Posts, in.ID, func(post *models.Post) error {
		if !c.wrote(post) {
			return tower.Forbidden("Only its author can change a post.")
		}
		return tower.Assign(post, in)
	})
}

// Delete answers DELETE /posts/{id}.
func (c *Posts) Delete(ctx context.Context, in PostID) (tower.None, error) {
	return tower.None{}, tower.DeleteVisible(ctx, c, models.Posts, in.ID, func(post *models.Post) error {
		if !c.wrote(post) {
			return tower.Forbidden("Only its author can delete a post.")
		}
		return nil
	})
}
