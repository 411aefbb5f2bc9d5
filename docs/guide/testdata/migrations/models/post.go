package models

import "github.com/towerkit/tower"

// A Post is an article.
type Post struct {
	tower.Record
	Headline string `json:"headline" validate:"required,max=140"`
	Slug     string `json:"slug" tower:"unique"`
	Views    int    `json:"views" tower:"index"`
}

// Posts holds the posts.
var Posts = tower.NewModel[Post]("posts")
