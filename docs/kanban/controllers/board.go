package controllers

// Board is the page. It has no data: app/board.tsx draws the board.
type Board struct{ *Session }

// NewBoard makes the controller of one connection.
func NewBoard(s *Session) *Board { return &Board{s} }
