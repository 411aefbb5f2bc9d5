// Command kanban is a board of cards that several people move at once.
package main

import (
	"embed"

	"github.com/towerkit/tower"

	"kanban/models"
)

//go:embed all:views all:public
var files embed.FS

func main() {
	tower.Main(Config())
}

// Config describes the application.
func Config() tower.Config {
	return tower.Config{
		Name:   "kanban",
		Models: models.All(),
		Routes: Routes(),
		Files:  files,
	}
}
