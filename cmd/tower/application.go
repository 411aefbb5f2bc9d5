package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// towerModule is what an application requires.
const towerModule = "github.com/towerkit/tower"

// An application is one that tower has made: a module with a routes.go.
type application struct {
	Folder  string // absolute, symlinks resolved
	Module  string
	Name    string // the last element of Module
	Go      string // the version that go.mod asks for
	Tower   string // the version that go.mod requires
	Replace string // the folder that stands in for it, absolute; "" without
}

var errNoApplication = &hintedError{
	errors.New("this is not a tower application"),
	"go into the folder of one, or make one: tower new NAME",
}

// findApplication finds the application that the working directory is in.
func findApplication() (*application, error) {
	folder, err := os.Getwd()
	if err == nil {
		folder, err = filepath.EvalSymlinks(folder)
	}
	if err != nil {
		return nil, fmt.Errorf("find the application: %w", err)
	}
	for {
		app, err := readApplication(folder)
		if app != nil || err != nil {
			return app, err
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return nil, errNoApplication
		}
		folder = parent
	}
}

// readApplication reads the application in folder; it is nil if there is none.
func readApplication(folder string) (*application, error) {
	if _, err := os.Stat(filepath.Join(folder, "routes.go")); err != nil {
		return nil, nil
	}
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
	app := &application{Folder: folder}
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
