// Package commands has the commands that concern an application which runs: its console,
// queries, routes and settings. Which application that is, and how it starts, says an
// [Application]: tower finds the source of one in the working folder, and a program that has
// the commands in it is one.
package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/database"
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
	Serve  string // the command that serves it: "tower server"
	// Env is the environment in which commands find its data, and start it. [Choice.Application]
	// sets it, unless the program decides it.
	Env string

	// Store is the path of the store, where the program decides it. Default: TOWER_DB, and
	// else db/ENV.db in Folder.
	Store string
	// Working is the folder that a path in the settings begins in. Default: Folder.
	Working string

	// Start starts the application in an environment. It serves consoles when Start returns,
	// until it is closed. If another process is starting it, the error is [control.ErrNotRunning].
	Start func(ctx context.Context, env string) (io.Closer, error)
	// Migrate has the application do a task of migrations in an environment, and returns its
	// report. What it prints meanwhile goes to progress.
	Migrate func(ctx context.Context, task, env string, progress io.Writer) (*wire.MigrationReport, error)

	// OpenPlace opens a place of archives by its URL; nil if it can open folders alone.
	OpenPlace func(address string) (archive.Place, error)

	socket string // of an application that runs, and is known by nothing else
}

// Attach connects to the running application. The error is [control.ErrNotRunning] if it is
// not running.
func (a *Application) Attach(ctx context.Context) (*control.Client, error) {
	path := a.socket
	if path == "" {
		path = wire.SocketPath(a.Folder, wire.RuntimeFolder(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid()))
	}
	return control.Attach(ctx, path, Author())
}

// Author returns the author of what commands write: "console:ada".
func Author() string {
	if who, err := user.Current(); err == nil {
		return "console:" + who.Username
	}
	return "console:unknown"
}

// AttachInEnv connects to the running application. The error is [control.ErrNotRunning] if it
// does not run in Env.
func (a *Application) AttachInEnv(ctx context.Context) (*control.Client, error) {
	client, err := a.Attach(ctx)
	if err == nil && client.Hello().Env != a.Env {
		_ = client.Close() // it returns nil
		return nil, control.ErrNotRunning
	}
	return client, err
}

// Data returns the path of the store in Env, and the settings. If the nodes of the application
// share a database, that is the path of the node's replica of it.
func (a *Application) Data() (string, *environ.Environment, error) {
	vars, err := environ.Read(a.Folder, a.Env)
	if err != nil {
		return "", nil, err
	}
	path := cmp.Or(a.Store, vars.Or("TOWER_DB", filepath.Join("db", a.Env+".db")))
	if database.Is(path) {
		path = vars.Or("TOWER_REPLICA", filepath.Join("db", a.Env+".replica.db"))
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(cmp.Or(a.Working, a.Folder), path)
	}
	return path, vars, nil
}

// Database returns the address of the database that the nodes of the application share, "" if
// it has a file of its own.
func (a *Application) Database() (string, error) {
	vars, err := environ.Read(a.Folder, a.Env)
	if err != nil {
		return "", err
	}
	if address := cmp.Or(a.Store, vars.Get("TOWER_DB")); database.Is(address) {
		return address, nil
	}
	return "", nil
}

// OwnFile returns an error if the data are not in a file of the application's own.
func (a *Application) OwnFile() error {
	address, err := a.Database()
	if err == nil && address != "" {
		err = cli.Hinted(fmt.Errorf("the data of %s are in the database %s, and the file is a replica of it", a.Env, database.Shown(address)),
			"use the tools of PostgreSQL, such as pg_dump and pg_restore")
	}
	return err
}

// OpenStopped opens the store of an application that is not running.
func (a *Application) OpenStopped() (*store.File, error) {
	if a.socket != "" {
		return nil, fmt.Errorf("%w at %s", control.ErrNotRunning, a.socket)
	}
	if err := a.OwnFile(); err != nil {
		return nil, err
	}
	path, _, err := a.Data()
	if err != nil {
		return nil, err
	}
	file, err := store.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Hinted(fmt.Errorf("there is no data of %s: %s does not exist", a.Env, path), "name the environment with --env, or set TOWER_DB")
	}
	return file, unreachable(err)
}

// unreachable returns err with advice, if it says that another process has the store open:
// that is most likely the application, without a control socket.
func unreachable(err error) error {
	if !errors.As(err, new(*store.InUseError)) {
		return err
	}
	return cli.Hinted(err, "commands reach an application that runs in production if it is started with TOWER_CONSOLE=on")
}
