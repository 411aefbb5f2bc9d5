// Command kanban is a board of cards that several people move at once.
package main

import (
	"embed"

	"github.com/towerkit/tower"
	_ "github.com/towerkit/tower/postgres" // TOWER_DB may be a database that several nodes share

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
