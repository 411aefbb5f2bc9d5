// Package models holds orders, reports and their rules.
package models

import "github.com/towerkit/tower"

// All lists the models that the store keeps.
func All() []tower.AnyModel {
	return []tower.AnyModel{Orders, Reports}
}
