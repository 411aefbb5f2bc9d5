package models

import "github.com/towerkit/tower"

// A Post is an article, seen by everybody once it is published.
type Post struct {
	tower.Record
	AuthorID  tower.ID `json:"authorId" tower:"ref=users,index"`
	Title     string   `json:"title" validate:"required,max=140"`
	Body      string   `json:"body"`
	Published bool     `json:"published" tower:"index"`
}

// Posts holds the posts.
var Posts = tower.NewModel[Post]("posts")

// Published selects what every reader may see, newest first.
func Published() tower.Scope[Post] {
	post := Posts.Fields
	return Posts.Where(tower.Is(&post.Published, true)).Desc(&post.CreatedAt)
}
