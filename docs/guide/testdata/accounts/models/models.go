package models

import "github.com/towerkit/tower"

// All lists the models of the application.
func All() []tower.AnyModel {
	return []tower.AnyModel{Users, Posts, Teams, Memberships, Notes}
}
