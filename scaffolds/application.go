// Package scaffolds writes what tower generates: a new application, the sample
// application, and models, controllers and views in one that is there.
//
// Everything is planned first. A [Plan] says what becomes of each file and
// writes nothing until it is applied, and then writes all of it or nothing.
// What was generated is remembered in .tower/manifest.json, so that [Destroy]
// takes back exactly that.
//
// The applications are real trees, in app/ and demo/: they compile and pass
// their tests where they stand, against the tower they are part of.
package scaffolds

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// Options say which application New and Demo write.
type Options struct {
	// Name is what the application is called, as in blog. It is the name of
	// its binary, and of its module unless Module says otherwise.
	Name string

	// Folder is where it is written. It need not exist, and must be empty.
	Folder string

	// Module is its module path. Empty means Name.
	Module string

	// Version is the version of tower that it requires, as in v0.1.0. It may
	// be empty when there is a Source.
	Version string

	// Source is the folder of a source tree of tower to build with. Empty
	// means the published Version.
	Source string

	// GoMod and GoSum are the go.mod and go.sum of tower at that version, from
	// which those of the application are made. Nil means those in Source.
	GoMod, GoSum []byte

	// Modules are the paths of the modules that an application needs of those
	// in GoMod. Empty means all of them, which builds as well.
	Modules []string
}

// New plans a new application.
func New(o Options) (*Plan, error) { return o.plan("app") }

// Demo plans the sample application: a shared board with two live lists.
func Demo(o Options) (*Plan, error) { return o.plan("demo", sharedFiles...) }

// sharedFiles are the files of app/ that the sample application has too.
var sharedFiles = []string{".gitignore", "public/app.css", "public/favicon.svg"}

// plan plans the application in a tree, with some files of app/.
func (o Options) plan(tree string, shared ...string) (*Plan, error) {
	if o.Module == "" {
		o.Module = o.Name
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := o.readSource(); err != nil {
		return nil, err
	}
	plan := newPlan(o.Folder)
	add := func(name string, text []byte) {
		plan.Steps = append(plan.Steps, Step{Verb: Create, Path: name, after: text})
	}
	mod, err := o.goMod()
	if err != nil {
		return nil, err
	}
	add("go.mod", mod)
	if len(o.GoSum) > 0 {
		add("go.sum", o.GoSum)
	}
	names, err := treeFiles(tree)
	if err != nil {
		return nil, err
	}
	for _, name := range shared {
		names[name] = "app/" + name
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		text, err := render(names[name], o)
		if err != nil {
			return nil, err
		}
		here := towerModule + "/scaffolds/" + tree
		add(name, []byte(strings.ReplaceAll(string(text), here, o.Module)))
	}
	return plan, nil
}

// treeFiles returns the templates of a tree, by the names of the files they make.
func treeFiles(tree string) (map[string]string, error) {
	names := map[string]string{}
	err := fs.WalkDir(trees, tree, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names[strings.TrimPrefix(name, tree+"/")] = name
		}
		return err
	})
	return names, err
}

// goReserved mean something to the go command, so a module cannot be called that.
var goReserved = wordSet("all archive bufio builtin bytes c cmd cmp compress container context crypto database debug embed " +
	"encoding errors example expvar flag fmt go hash html image index internal io iter log main maps math mime net os " +
	"path plugin reflect regexp runtime slices sort std strconv strings structs sync syscall test testing text time " +
	"tool tower unicode unique unsafe vendor weak work")

func (o Options) check() error {
	n, err := parseName("application", o.Name)
	if err != nil {
		return err
	}
	switch {
	case strings.ContainsAny(o.Name[:1]+o.Name[len(o.Name)-1:], "-_"):
		return fmt.Errorf("application %q: a name begins with a letter and ends with a letter or digit, as in %s", o.Name, n.snake())
	case goReserved[strings.ToLower(o.Name)]:
		return fmt.Errorf("application %q: the name is taken by Go or tower itself; choose another, as in my-%s", o.Name, n.snake())
	}
	if err := n.checkReserved("application", o.Name); err != nil {
		return err
	}
	if err := module.CheckImportPath(o.Name); err != nil {
		return fmt.Errorf("application %q: %w; choose another name, as in my-%s", o.Name, err, n.snake())
	}
	if err := module.CheckImportPath(o.Module); err != nil {
		return fmt.Errorf("module %q: %w; a path looks like example.com/%s", o.Module, err, n.snake())
	}
	if first, _, _ := strings.Cut(o.Module, "/"); goReserved[strings.ToLower(first)] || strings.HasPrefix(o.Module+"/", towerModule+"/") {
		return fmt.Errorf("module %q: paths in %s are taken; choose another, as in example.com/%s", o.Module, first, n.snake())
	}
	return checkFolder(o.Folder)
}

// checkFolder wants a folder that is empty, or not there.
func checkFolder(folder string) error {
	entries, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		if info, statErr := os.Stat(folder); statErr == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file; choose another name, or move it away", folder)
		}
		return fmt.Errorf("look into %s: %w", folder, err)
	case len(entries) > 0:
		return fmt.Errorf("%s is there already, with %s in it; choose another name, or move it away", folder, entries[0].Name())
	}
	return nil
}

// readSource looks whether Source is tower, and reads from it what is not given.
func (o *Options) readSource() error {
	if o.Source == "" {
		if o.Version == "" {
			return errors.New("neither a version of tower nor its source is known, so an application could not be built; go install github.com/towerkit/tower/cmd/tower@latest knows one")
		}
		return nil
	}
	var err error
	if o.Source, err = filepath.Abs(o.Source); err != nil {
		return fmt.Errorf("find the source of tower: %w", err)
	}
	mod, err := os.ReadFile(filepath.Join(o.Source, "go.mod"))
	if err != nil || modfile.ModulePath(mod) != towerModule {
		return fmt.Errorf("the source of tower is not in %s any more; build the tower command again where it is now", o.Source)
	}
	if o.GoMod == nil {
		o.GoMod = mod
	}
	if o.GoSum == nil {
		if o.GoSum, err = os.ReadFile(filepath.Join(o.Source, "go.sum")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the go.sum of tower: %w", err)
		}
	}
	return nil
}

// goMod makes the application's go.mod: it requires tower, and beneath it what
// tower requires, so that nothing is left for the go command to look up.
func (o Options) goMod() ([]byte, error) {
	theirs, err := modfile.Parse("go.mod", o.GoMod, nil)
	if err != nil {
		return nil, fmt.Errorf("read the go.mod of tower: %w", err)
	}
	version := o.Version
	if version == "" {
		version = "v0.0.0"
	}
	wanted := map[string]bool{}
	for _, path := range o.Modules {
		wanted[path] = true
	}
	requires := []*modfile.Require{{Mod: module.Version{Path: towerModule, Version: version}}}
	for _, r := range theirs.Require {
		if len(wanted) == 0 || wanted[r.Mod.Path] {
			requires = append(requires, &modfile.Require{Mod: r.Mod, Indirect: true})
		}
	}
	mod := new(modfile.File)
	if err := mod.AddModuleStmt(o.Module); err != nil {
		return nil, fmt.Errorf("write go.mod: %w", err)
	}
	if theirs.Go != nil {
		if err := mod.AddGoStmt(theirs.Go.Version); err != nil {
			return nil, fmt.Errorf("write go.mod: %w", err)
		}
	}
	mod.SetRequireSeparateIndirect(requires)
	if o.Source != "" {
		if err := mod.AddReplace(towerModule, "", o.Source, ""); err != nil {
			return nil, fmt.Errorf("write go.mod: %w", err)
		}
	}
	mod.Cleanup()
	return mod.Format()
}
