package main

import (
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/mod/modfile"
)

// sourceTree returns the folder of the source that this program was built from. It returns
// "" if the program is a release, or the folder no longer exists.
func sourceTree() string {
	if released() != "" {
		return ""
	}
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return ""
	}
	folder := filepath.Dir(filepath.Dir(filepath.Dir(filepath.FromSlash(file))))
	if !isTowerSource(folder) {
		return ""
	}
	return folder
}

// isTowerSource reports whether folder is the root of tower's own module.
func isTowerSource(folder string) bool {
	text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	return err == nil && modfile.ModulePath(text) == towerModule
}
