// Command [[.Name]] is a board that several people write on at once. It is the sample
// application of tower.
package main

import (
	"embed"

	"github.com/towerkit/tower"
	_ "github.com/towerkit/tower/postgres" // TOWER_DB may be a database that several nodes share

	"github.com/towerkit/tower/scaffolds/demo/models"
)

//go:embed all:views all:public
var files embed.FS

func main() {
	tower.Main(Config())
}

// Config describes the application.
func Config() tower.Config {
	return tower.Config{
		Name:   "[[.Name]]",
		Models: models.All(),
		Routes: Routes(),
		Files:  files,
	}
}
