package models

import "github.com/towerkit/tower"

// Post is a note on the board, or a draft of one.
type Post struct {
	tower.Record
	AuthorID  tower.ID `json:"authorId" tower:"ref=users,index"`
	Title     string   `json:"title" validate:"required,max=140"`
	Body      string   `json:"body" validate:"max=4000"`
	Published bool     `json:"published" tower:"index"`
}

var Posts = tower.NewModel[Post]("posts")

// Published returns the posts that everyone may read, the newest first, with their
// authors.
func Published() tower.Scope[Post] {
	post := Posts.Fields
	return Posts.Where(tower.Is(&post.Published, true)).Desc(&post.CreatedAt).Include(&post.AuthorID)
}

// PostsBy returns the posts of one user, with drafts, the newest first.
func PostsBy(author tower.ID) tower.Scope[Post] {
	post := Posts.Fields
	return Posts.Where(tower.Is(&post.AuthorID, author)).Desc(&post.CreatedAt)
}
