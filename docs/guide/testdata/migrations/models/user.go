package models

import "github.com/towerkit/tower"

// A User is a person who signs in.
type User struct {
	tower.Record
	First string `json:"first"`
	Last  string `json:"last"`
}

// Users holds the users.
var Users = tower.NewModel[User]("users")
