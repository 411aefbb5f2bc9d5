// Package models holds the records of the application and their rules.
package models

import "github.com/towerkit/tower"

// All lists the models that the store keeps.
func All() []tower.AnyModel {
	return []tower.AnyModel{
		// tower generate adds a line for each model.
	}
}
