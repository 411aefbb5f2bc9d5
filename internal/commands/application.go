// Package commands has the commands that concern an application which runs: its console,
// queries, routes and settings. Which application that is, and how it starts, says an
// [Application]: tower finds the source of one in the working folder, and a program that has
// the commands in it is one.
package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/environ"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// An Application is what commands are about.
type Application struct {
	Name   string // last element of its module's path
	Folder string // of its data, settings and control socket; absolute, without symlinks
	URL    string // where it is usually served

	// Start starts the application in an environment. It serves consoles when Start returns,
	// until it is closed. If another process is starting it, the error is [control.ErrNotRunning].
	Start func(ctx context.Context, env string) (io.Closer, error)
	// Migrate has the application do a task of migrations in an environment, and returns its
	// report. What it prints meanwhile goes to progress.
	Migrate func(ctx context.Context, task, env string, progress io.Writer) (*wire.MigrationReport, error)
}

// A Find finds the application that a command is about.
type Find func() (*Application, error)

// Attach connects to the running application. The error is [control.ErrNotRunning] if it is
// not running.
func (a *Application) Attach(ctx context.Context) (*control.Client, error) {
	runtime := wire.RuntimeFolder(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid())
	return control.Attach(ctx, wire.SocketPath(a.Folder, runtime), Author())
}

// Author returns the author of what commands write: "console:ada".
func Author() string {
	if who, err := user.Current(); err == nil {
		return "console:" + who.Username
	}
	return "console:unknown"
}

// AttachIn connects to the running application. The error is [control.ErrNotRunning] if it
// does not run in that environment.
func (a *Application) AttachIn(ctx context.Context, env string) (*control.Client, error) {
	client, err := a.Attach(ctx)
	if err == nil && client.Hello().Env != env {
		_ = client.Close() // it returns nil
		return nil, control.ErrNotRunning
	}
	return client, err
}

// Data returns the path of the store in an environment, and the environment.
func (a *Application) Data(env string) (string, *environ.Environment, error) {
	vars, err := environ.Read(a.Folder, env)
	if err != nil {
		return "", nil, err
	}
	path := vars.Or("TOWER_DB", filepath.Join("db", env+".db"))
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.Folder, path)
	}
	return path, vars, nil
}

// OpenStopped opens the store of an application that is not running.
func (a *Application) OpenStopped(env string) (*store.File, error) {
	path, _, err := a.Data(env)
	if err != nil {
		return nil, err
	}
	file, err := store.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Hinted(fmt.Errorf("there is no data of %s: %s does not exist", env, path), "name the environment with --env, or set TOWER_DB")
	}
	return file, err
}
