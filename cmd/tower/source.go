package main

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// version is the version that this program was built as, "development" for one
// that was never released.
func version() string {
	if v := released(); v != "" {
		return v
	}
	return "development"
}

// released is the version of a released tower, which an application can
// require; "" if this program is not one.
func released() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path != towerModule {
		return ""
	}
	v := info.Main.Version
	if !semver.IsValid(v) || semver.Build(v) != "" || module.IsPseudoVersion(v) {
		return ""
	}
	return v
}

// sourceTree is the folder with tower's source that this program was built
// from; "" if it was built from a release, or the folder is not there any more.
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

// isTowerSource reports whether folder holds tower's own module.
func isTowerSource(folder string) bool {
	text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	return err == nil && modfile.ModulePath(text) == towerModule
}
