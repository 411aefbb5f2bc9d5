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

// Options describe the application that New and Demo write.
type Options struct {
	// Name is the name of the application, as in blog. It names the binary, and
	// the module if Module is empty.
	Name string

	// Folder is where the application is written. It must be empty or not exist.
	Folder string

	// Module is the module path. Empty means Name.
	Module string

	// Version is the required version of tower, as in v0.1.0. It may be empty
	// if Source is set.
	Version string

	// Source is the folder of a source tree of tower to build with. Empty means
	// the published Version.
	Source string

	// Vendor has the application use a copy of Source at [Vendored], which the caller
	// makes, in place of Source itself.
	Vendor bool

	// GoMod and GoSum are the go.mod and go.sum of tower at that version. The
	// application's files are made from them. Nil means the files in Source.
	GoMod, GoSum []byte

	// Modules are the paths of the modules in GoMod that an application needs.
	// Empty means all of them, which builds too.
	Modules []string
}

// Vendored is the folder of an application that may have a copy of tower's source.
const Vendored = "third_party/tower"

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

// goReserved are names of packages and words of the go command. A module cannot have
// one of them as its name.
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
		return fmt.Errorf("application %q: a name begins with a letter and ends with a letter or a digit, as in %s", o.Name, n.snake())
	case goReserved[strings.ToLower(o.Name)]:
		return fmt.Errorf("application %q: Go or tower uses that name; choose another, as in my-%s", o.Name, n.snake())
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
		return fmt.Errorf("module %q: paths in %s belong to Go or tower; choose another, as in example.com/%s", o.Module, first, n.snake())
	}
	return checkFolder(o.Folder)
}

// checkFolder returns an error unless the folder is empty or does not exist.
func checkFolder(folder string) error {
	entries, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		if info, statErr := os.Stat(folder); statErr == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file; choose another name, or move it away", folder)
		}
		return fmt.Errorf("read the folder %s: %w", folder, err)
	case len(entries) > 0:
		return fmt.Errorf("%s exists and contains %s; choose another name, or move it away", folder, entries[0].Name())
	}
	return nil
}

// readSource checks that Source is tower, and reads GoMod and GoSum from it if they
// are not set.
func (o *Options) readSource() error {
	if o.Source == "" {
		if o.Version == "" {
			return errors.New("this tower command knows neither its version nor its source, so an application could not be built; go install github.com/towerkit/tower/cmd/tower@latest installs one that does")
		}
		return nil
	}
	var err error
	if o.Source, err = filepath.Abs(o.Source); err != nil {
		return fmt.Errorf("find the source of tower: %w", err)
	}
	mod, err := os.ReadFile(filepath.Join(o.Source, "go.mod"))
	if err != nil || modfile.ModulePath(mod) != towerModule {
		return fmt.Errorf("the source of tower is no longer in %s; build the tower command again from where it is now", o.Source)
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

// goMod returns the application's go.mod. It requires tower and everything that
// tower requires, so that the go command need not look up anything.
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
		replacement := o.Source
		if o.Vendor {
			replacement = "./" + Vendored
		}
		if err := mod.AddReplace(towerModule, "", replacement, ""); err != nil {
			return nil, fmt.Errorf("write go.mod: %w", err)
		}
	}
	mod.Cleanup()
	return mod.Format()
}
