package models

import "github.com/towerkit/tower"

// User is the author of posts.
type User struct {
	tower.Record
	Name string `json:"name" tower:"unique" validate:"required,max=40"`
}

var Users = tower.NewModel[User]("users")

// Everyone returns all users, by name.
func Everyone() tower.Scope[User] {
	user := Users.Fields
	return Users.All().Asc(&user.Name)
}
