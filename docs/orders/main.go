// Command orders is a shop's back office: orders are paid, packed and shipped, each step caused by
// the one before.
package main

import (
	"embed"

	"github.com/towerkit/tower"
	_ "github.com/towerkit/tower/commands" // the program has a console, and jobs
	_ "github.com/towerkit/tower/postgres" // TOWER_DB may be a database that several nodes share

	"orders/jobs"
	"orders/models"
	"orders/reactions"
)

//go:embed all:views all:public
var files embed.FS

func main() {
	tower.Main(Config())
}

// Config describes the application.
func Config() tower.Config {
	return tower.Config{
		Name:      "orders",
		Models:    models.All(),
		Routes:    Routes(),
		Files:     files,
		Reactions: reactions.All(),
		Jobs:      []tower.Work{jobs.Pack.Do(jobs.DoPack), jobs.Report.Do(jobs.DoReport)},
		Queues:    map[string]int{"printer": 1},
		Schedules: []tower.Schedule{
			tower.Every("30 6 * * *", jobs.Zone, jobs.Report, tower.None{}, tower.RunEach),
		},
	}
}
