package models

import "github.com/towerkit/tower"

// User is someone who writes.
type User struct {
	tower.Record
	Name string `json:"name" tower:"unique" validate:"required,max=40"`
}

// Users is the model of users.
var Users = tower.NewModel[User]("users")

// Everyone is all users, by name.
func Everyone() tower.Scope[User] {
	user := Users.Fields
	return Users.All().Asc(&user.Name)
}
