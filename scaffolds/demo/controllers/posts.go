package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"github.com/towerkit/tower/scaffolds/demo/models"
)

// Posts is the board: what is published, and what the current user writes.
type Posts struct{ *Session }

// NewPosts makes the controller of one connection.
func NewPosts(s *Session) *Posts { return &Posts{s} }

// PostID names one post.
type PostID struct {
	ID tower.ID `json:"id"`
}

// NewPost is the input of Create. A client may make the ID, so that it knows the
// record before the server does.
type NewPost struct {
	ID        tower.ID `json:"id"`
	Title     string   `json:"title"`
	Body      string   `json:"body"`
	Published bool     `json:"published"`
}

// EditPost is the input of Update. What is not sent stays as it is.
type EditPost struct {
	ID        tower.ID `json:"id"`
	Title     *string  `json:"title"`
	Body      *string  `json:"body"`
	Published *bool    `json:"published"`
}

// Match is asked about every post before this connection is told of it:
// drafts are seen by those who write them.
func (c *Posts) Match(post *models.Post) bool {
	return post.Published || c.wrote(post)
}

func (c *Posts) wrote(post *models.Post) bool {
	return c.CurrentUser != nil && post.AuthorID == c.CurrentUser.ID
}

// Index is the front page, with both lists.
func (c *Posts) Index(ctx context.Context, in struct{}) (struct{}, error) {
	return struct{}{}, nil
}

// Published is the live list that everyone sees.
func (c *Posts) Published(ctx context.Context, in struct{}) (tower.Scope[models.Post], error) {
	return models.Published().Limit(20), nil
}

// Mine is the live list of the current user's own posts, drafts too.
func (c *Posts) Mine(ctx context.Context, in struct{}) (tower.Scope[models.Post], error) {
	if c.CurrentUser == nil {
		return tower.Scope[models.Post]{}, tower.Unauthenticated("Sign in to see what you wrote.")
	}
	return models.PostsBy(c.CurrentUser.ID).Limit(20), nil
}

// Create answers POST /posts.
func (c *Posts) Create(ctx context.Context, in NewPost) (*models.Post, error) {
	if c.CurrentUser == nil {
		return nil, tower.Unauthenticated("Sign in to write.")
	}
	post := &models.Post{
		Record:    tower.Record{ID: in.ID},
		AuthorID:  c.CurrentUser.ID,
		Title:     in.Title,
		Body:      in.Body,
		Published: in.Published,
	}
	return post, models.Posts.Create(ctx, c, post)
}

// Update answers PATCH /posts/{id}.
func (c *Posts) Update(ctx context.Context, in EditPost) (*models.Post, error) {
	return models.Posts.Update(ctx, c, in.ID, func(post *models.Post) error {
		if !c.wrote(post) {
			return tower.Forbidden("Only its author can change a post.")
		}
		if in.Title != nil {
			post.Title = *in.Title
		}
		if in.Body != nil {
			post.Body = *in.Body
		}
		if in.Published != nil {
			post.Published = *in.Published
		}
		return nil
	})
}

// Delete answers DELETE /posts/{id}.
func (c *Posts) Delete(ctx context.Context, in PostID) (struct{}, error) {
	return struct{}{}, c.Transaction(ctx, func(tx *tower.Tx) error {
		post, err := models.Posts.Find(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		if !c.wrote(post) {
			return tower.Forbidden("Only its author can delete a post.")
		}
		return models.Posts.Delete(ctx, tx, in.ID)
	})
}
