package controllers

// Home is the front page. It has no data: its view is views/home/index.html.
type Home struct{ *Session }

// NewHome makes the controller of one connection.
func NewHome(s *Session) *Home { return &Home{s} }
