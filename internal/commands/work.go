package commands

import (
	"fmt"

	"github.com/towerkit/tower/internal/cli"
)

// WorkLong and WorkExample are the help on the command work.
const (
	WorkLong = `Run the jobs of the application, as many at once as TOWER_WORKERS says, and serve no
requests. It does so beside processes that serve, which need not run jobs themselves:
start those with TOWER_WORKERS=off.

Several processes share a PostgreSQL database, at TOWER_DB. With a file, the process that
serves has it to itself, and runs the jobs.`
	WorkExample = `  TOWER_DB=postgres://localhost/blog tower work
  TOWER_WORKERS=50 tower work --env production`
)

// CanWork returns an error if the application cannot have a process for its jobs alone.
func (a *Application) CanWork() error {
	address, err := a.Database()
	if err == nil && address == "" {
		err = cli.Hinted(fmt.Errorf("the data of %s are in a file, which one process has to itself", a.Env),
			"that process runs the jobs, as many at once as TOWER_WORKERS says; for processes of their own, set TOWER_DB=postgres://user:password@host/database")
	}
	return err
}
