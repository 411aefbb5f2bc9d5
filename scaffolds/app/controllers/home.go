package controllers

import "context"

// Home is the front page.
type Home struct{ *Session }

// NewHome makes the controller of one connection.
func NewHome(s *Session) *Home { return &Home{s} }

// Index is the page GET /, views/home/index.html.
func (c *Home) Index(ctx context.Context, in struct{}) (struct{}, error) {
	return struct{}{}, nil
}
