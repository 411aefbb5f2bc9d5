package models

import "github.com/towerkit/tower"

// Post is a note on the board, or one on its way there.
type Post struct {
	tower.Record
	AuthorID  tower.ID `json:"authorId" tower:"ref=users,index"`
	Title     string   `json:"title" validate:"required,max=140"`
	Body      string   `json:"body" validate:"max=4000"`
	Published bool     `json:"published" tower:"index"`
}

// Posts is the model of posts.
var Posts = tower.NewModel[Post]("posts")

// Published is what everyone may read, newest first, with those who wrote it.
func Published() tower.Scope[Post] {
	post := Posts.Fields
	return Posts.Where(tower.Is(&post.Published, true)).Desc(&post.CreatedAt).Include(&post.AuthorID)
}

// PostsBy is what one user wrote, drafts too, newest first.
func PostsBy(author tower.ID) tower.Scope[Post] {
	post := Posts.Fields
	return Posts.Where(tower.Is(&post.AuthorID, author)).Desc(&post.CreatedAt)
}
