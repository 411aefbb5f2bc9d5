package main

import (
	"embed"

	"github.com/towerkit/tower"

	"blog/models"
)

//go:embed all:views all:public
var files embed.FS

func main() { tower.Main(Config()) }

// Config describes the application.
func Config() tower.Config {
	return tower.Config{Models: models.All(), Routes: Routes(), Files: files}
}
