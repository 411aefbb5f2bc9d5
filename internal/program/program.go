// Package program is where an application's program and its commands meet: package commands
// sets Run, and tower.Main calls it. So package tower links no command line, and an
// application that does not import package commands has none in its program.
package program

import (
	"context"
	"io"

	"github.com/towerkit/tower/internal/archive"
)

// An Application is what the commands of a program know of its application.
type Application struct {
	Name            string
	Version, Commit string // as tower build has stated them, or ""
	Folder          string // absolute
	Env             string // if the program decides it, or ""
	Store           string // path of its store, if the program decides it, or ""

	// OpenPlace opens a place of archives by its URL; nil if it can open folders alone.
	OpenPlace func(address string) (archive.Place, error)
	// Serve serves the application until a signal ends it.
	Serve func() error
	// Work runs the jobs of the application until a signal ends it, and serves no requests.
	Work func() error
	// Check returns what is wrong with the application in an environment.
	Check func(env string) error
	// Start opens the application in an environment, and its control socket, but serves no
	// requests. Closing ends it.
	Start func(ctx context.Context, env string) (io.Closer, error)
}

// Run runs the command that args name, and returns the exit code. It is nil in a program
// without commands.
var Run func(app Application, args []string) int
