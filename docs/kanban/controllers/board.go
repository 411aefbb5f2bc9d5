package controllers

import "context"

// Board is the page; what stands on it is drawn by app/board.tsx.
type Board struct{ *Session }

// NewBoard makes the controller of one connection.
func NewBoard(s *Session) *Board { return &Board{s} }

// Index answers GET /.
func (c *Board) Index(ctx context.Context, in struct{}) (struct{}, error) {
	return struct{}{}, nil
}
