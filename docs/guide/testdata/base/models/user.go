package models

import "github.com/towerkit/tower"

// A User is a person who signs in.
type User struct {
	tower.Record
	Name  string `json:"name" validate:"required,max=80"`
	Email string `json:"email" tower:"unique" validate:"required,email"`
}

// Users holds the users.
var Users = tower.NewModel[User]("users")
