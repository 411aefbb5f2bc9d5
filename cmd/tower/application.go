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

// towerModule is the path of tower's module, which every application requires.
const towerModule = "github.com/towerkit/tower"

// An application is the module of a tower application: it has a routes.go and requires
// tower.
type application struct {
	Folder  string // absolute, with symlinks resolved
	Module  string
	Name    string // last element of Module
	Go      string // Go version in go.mod
	Tower   string // tower version in go.mod
	Replace string // absolute folder that replaces tower in go.mod; "" without
}

var errNoApplication = &hintedError{
	errors.New("this is not a tower application"),
	"change to the folder of an application, or create one: tower new NAME",
}

// findApplication finds the application of the working directory, in it or in one of its
// parents. The error is errNoApplication if there is none.
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

// readApplication reads the application in folder. It returns nil if folder has none.
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
