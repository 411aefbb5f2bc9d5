package main

import (
	"github.com/towerkit/tower"

	"blog/models"
)

// Config describes the application.
func Config() tower.Config {
	return tower.Config{Models: models.All(), Routes: Routes(), Files: files, SignIn: "/enter"}
}
