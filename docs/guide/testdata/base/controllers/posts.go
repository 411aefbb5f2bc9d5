package controllers

// Posts is what a client may do with posts.
type Posts struct{ *Session }

// NewPosts returns the posts of a session.
func NewPosts(s *Session) *Posts { return &Posts{s} }
