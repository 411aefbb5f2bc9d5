package models

import "github.com/towerkit/tower"

// A Team is a group of users.
type Team struct {
	tower.Record
	Name string `json:"name" validate:"required,max=80"`
}

// Teams holds the teams.
var Teams = tower.NewModel[Team]("teams")

// A Membership is the place of a user in a team.
type Membership struct {
	tower.Record
	TeamID tower.ID `json:"teamId" tower:"ref=teams,delete=cascade,unique=teamId+userId"`
	UserID tower.ID `json:"userId" tower:"ref=users,delete=cascade,index"`
	Role   string   `json:"role" validate:"oneof=owner admin member"`
}

// Memberships holds the memberships.
var Memberships = tower.NewModel[Membership]("memberships")
