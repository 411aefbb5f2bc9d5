package main

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/towerkit/tower/internal/archive/bucket"
	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/commands"
	"github.com/towerkit/tower/internal/dev"
	"github.com/towerkit/tower/internal/repl/control"
)

// towerModule is the path of tower's module, which every application requires.
const towerModule = "github.com/towerkit/tower"

// An application is the module of a tower application: it requires tower, and its folder
// has a program.
type application struct {
	*commands.Application
	Module  string
	Go      string // Go version in go.mod
	Tower   string // tower version in go.mod
	Replace string // absolute folder that replaces tower in go.mod; "" without
}

var errNoApplication = errors.New("this is not a tower application")

const whereApplications = "change to the folder of an application, or create one: tower new NAME; it is a program, and its go.mod requires " + towerModule

// findApplication finds the application of the working directory, in it or in one of its
// parents. The error wraps errNoApplication if there is none.
func findApplication() (*application, error) {
	missing, without := cli.Hinted(errNoApplication, whereApplications), true
	folder, err := os.Getwd()
	if err == nil {
		folder, err = filepath.EvalSymlinks(folder)
	}
	if err != nil {
		return nil, fmt.Errorf("find the application: %w", err)
	}
	for {
		app, err := readApplication(folder)
		switch {
		case err != nil:
			return nil, err
		case app != nil && hasProgram(folder):
			return app, nil
		case app != nil && without:
			without = false
			missing = cli.Hinted(fmt.Errorf("%w: %s requires tower, but has no program beside it", errNoApplication, filepath.Join(folder, "go.mod")), "add a package main that calls tower.Main")
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return nil, missing
		}
		folder = parent
	}
}

// hasProgram reports whether a folder has a Go file of package main. It reads no further
// than the package clause, so that a file which does not compile counts.
func hasProgram(folder string) bool {
	names, _ := filepath.Glob(filepath.Join(folder, "*.go")) // the pattern is valid
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly)
		if err == nil && file.Name.Name == "main" && !strings.HasSuffix(name, "_test.go") {
			return true
		}
	}
	return false
}

// readApplication reads the module in folder. It returns nil if there is none, or if it
// does not require tower.
func readApplication(folder string) (*application, error) {
	name := filepath.Join(folder, "go.mod")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the application: %w", err)
	}
	file, err := modfile.Parse(name, text, nil)
	if err != nil {
		return nil, fmt.Errorf("read the application: %w", err)
	}
	app := &application{Application: &commands.Application{Folder: folder, URL: "http://localhost:3000", Serve: "tower server", OpenPlace: bucket.Open}}
	app.Start, app.Migrate = app.start, app.migrate
	if file.Module != nil {
		app.Module = file.Module.Mod.Path
	}
	prefix, _, _ := module.SplitPathVersion(app.Module)
	app.Name = path.Base(prefix)
	if file.Go != nil {
		app.Go = file.Go.Version
	}
	for _, require := range file.Require {
		if require.Mod.Path == towerModule {
			app.Tower = require.Mod.Version
		}
	}
	if app.Tower == "" || app.Module == "" {
		return nil, nil
	}
	for _, replace := range file.Replace {
		if replace.Old.Path == towerModule && replace.New.Version == "" {
			app.Replace = filepath.FromSlash(replace.New.Path)
			if !filepath.IsAbs(app.Replace) {
				app.Replace = filepath.Join(folder, app.Replace)
			}
		}
	}
	return app, nil
}

// start builds the application and starts it without an address.
func (app *application) start(ctx context.Context, env string) (io.Closer, error) {
	started, err := dev.Start(ctx, dev.Options{Folder: app.Folder, Env: env})
	if errors.As(err, new(*dev.RunningError)) { // another process is starting it
		return nil, fmt.Errorf("%w yet: %w", control.ErrNotRunning, err)
	}
	return started, err
}

// find finds the application of the working directory for the commands on it.
func find() (*commands.Application, error) {
	app, err := findApplication()
	if err != nil {
		return nil, err
	}
	return app.Application, nil
}
