package upgrade

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/towerkit/tower/internal/vendored"
	"github.com/towerkit/tower/scaffolds"
)

// A tree is the files of a folder by their names.
type tree map[string]string

func (files tree) write(t *testing.T, folder string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func readTree(t *testing.T, folder string) tree {
	t.Helper()
	files := tree{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// textModule is a module that tower requires.
func textModule(t *testing.T) module.Version {
	t.Helper()
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range mod.Require {
		if r.Mod.Path == "golang.org/x/text" {
			return r.Mod
		}
	}
	t.Fatal("tower does not require golang.org/x/text")
	return module.Version{}
}

// newTower is a source that stands in for tower's: an application can call Hello, and Old
// only in the old one.
func newTower(t *testing.T, old bool) tree {
	text := textModule(t)
	if old {
		return tree{
			"go.mod": "module " + towerModule + "\n\ngo 1.24\n", "tower.go": "package tower\n\nfunc Hello() {}\n\nfunc Old() {}\n",
			"LICENSE": "", "internal/client/LICENSE": "", "go.sum": "",
			"CHANGELOG.md":          "# Changelog\n\n## Unreleased\n\n### Added\n\n- The first thing,\n  in two lines.\n",
			"internal/wire/wire.go": "package wire\n\nconst Version = 1\n", "internal/store/open.go": "package store\n\nconst format = \"1\"\n", "gone.go": "package tower\n",
		}
	}
	return tree{
		"go.mod": "module " + towerModule + "\n\ngo 1.25\n\nrequire " + text.Path + " " + text.Version + "\n", "go.sum": sums(t), "tower.go": "package tower\n\nfunc Hello() {}\n",
		"LICENSE": "", "internal/client/LICENSE": "",
		"CHANGELOG.md":          "# Changelog\n\n## Unreleased\n\n### Added\n\n- The second thing.\n- The first thing,\n  in two lines.\n\n### Internal\n\n- Nobody's business.\n",
		"internal/wire/wire.go": "package wire\n\nconst Version = 2\n", "internal/store/open.go": "package store\n\nconst (\n\tpages = 3\n\tformat = \"2\"\n)\n", "made.go": "package tower\n",
	}
}

// sums are the lines of tower's go.sum about textModule.
func sums(t *testing.T) (lines string) {
	t.Helper()
	all, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(all)) {
		if strings.HasPrefix(line, "golang.org/x/text "+textModule(t).Version) {
			lines += line
		}
	}
	return lines
}

// A site is a folder with an application that carries the old tower, and the new source.
type site struct {
	t       *testing.T
	app     string
	options Options
	derived *scaffolds.Plan
	failure error // of the start
}

func newSite(t *testing.T, main string) *site {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, app: filepath.Join(folder, "shop")}
	old, made := filepath.Join(folder, "old"), filepath.Join(folder, "new")
	newTower(t, true).write(t, old)
	newTower(t, false).write(t, made)
	tree{
		"go.mod":  "module shop\n\ngo 1.24\n\nrequire " + towerModule + " v0.0.0 // ours\n\nreplace " + towerModule + " => ./" + scaffolds.Vendored + "\n",
		"main.go": main, "views/home.html": "mine", "openapi.json": "{\"made\": \"old\"}\n",
	}.write(t, s.app)
	if _, err := vendored.Replace(old, s.app, false); err != nil {
		t.Fatal(err)
	}
	s.options = Options{
		Folder: s.app, Required: "v0.0.0", Replaced: vendored.Path(s.app), Source: made, Modules: []string{"golang.org/x/text"},
		Environ:  append(os.Environ(), "GOPROXY=off", "GOSUMDB=off", "GOTOOLCHAIN=local", "GOFLAGS="),
		Progress: func(string) {},
		Derive: func(_ context.Context, environ []string) (*scaffolds.Plan, error) {
			if !strings.Contains(strings.Join(environ, "\n"), "-modfile=") {
				t.Error("the application is started with the old tower")
			}
			return s.derived, s.failure
		},
	}
	return s
}

const (
	fits  = "package main\n\nimport \"github.com/towerkit/tower\"\n\nfunc main() { tower.Hello() }\n"
	unfit = "package main\n\nimport \"github.com/towerkit/tower\"\n\nfunc main() { tower.Old() }\n"
)

func (s *site) prepare() *Upgrade {
	s.t.Helper()
	u, err := Prepare(s.t.Context(), s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := u.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return u
}

// unchanged runs a function, and checks that it leaves every file of the application as it
// was, and no others.
func (s *site) unchanged(do func()) {
	s.t.Helper()
	before := readTree(s.t, s.app)
	do()
	compareTrees(s.t, readTree(s.t, s.app), before)
}

func compareTrees(t *testing.T, got, want tree) {
	t.Helper()
	for name, text := range got {
		if before, ok := want[name]; !ok {
			t.Errorf("%s is new", name)
		} else if text != before {
			t.Errorf("%s is\n%s\nwant\n%s", name, text, before)
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
}

func TestUpgradeReplacesTheCopy(t *testing.T) {
	s := newSite(t, fits)
	document := []byte("{\"made\": \"new\"}\n")
	var err error
	if s.derived, err = scaffolds.OpenAPI(s.app, document, "made", false); err != nil {
		t.Fatal(err)
	}
	var u *Upgrade
	s.unchanged(func() {
		u = s.prepare()
		if err := u.Close(); err != nil {
			t.Fatal(err)
		}
	})
	u = s.prepare()
	if err := u.Apply(); err != nil {
		t.Fatal(err)
	}
	if err := vendored.Check(s.app); err != nil {
		t.Error(err)
	}
	got, text := readTree(t, s.app), textModule(t)
	want := tree{
		"main.go": fits, "views/home.html": "mine", "openapi.json": string(document), "go.sum": sums(t), scaffolds.Vendored + "/tower.sum": got[scaffolds.Vendored+"/tower.sum"],
		"go.mod": "module shop\n\ngo 1.25\n\nrequire " + towerModule + " v0.0.0 // ours\n\nrequire " + text.Path + " " + text.Version + " // indirect\n\nreplace " + towerModule + " => ./" + scaffolds.Vendored + "\n",
	}
	for name, text := range newTower(t, false) {
		want[scaffolds.Vendored+"/"+name] = text
	}
	compareTrees(t, got, want)
	var said strings.Builder
	if err := u.Print(&said); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- The second thing.", "the protocol: 1 → 2", "the format of the data's file: 1 → 2", "go 1.24 → 1.25, " + text.Path, "1 new, 6 changed, 1 gone",
		"update  openapi.json", "tower db backup", "No other file was touched."} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &said)
		}
	}
	if strings.Contains(said.String(), "first thing") || strings.Contains(said.String(), "business") {
		t.Errorf("it says what is not new:\n%s", &said)
	}
	s.options.Replaced = vendored.Path(s.app)
	s.unchanged(func() {
		if u = s.prepare(); !u.UpToDate() {
			t.Error("another upgrade has something to do")
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAnUpgradeThatFailsChangesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		main   string
		change func(*site)
		want   string
	}{
		"it does not build": {unfit, func(*site) {}, "cannot build the application"},
		"vet objects": {"package main\n\nimport (\n\t\"fmt\"\n\n\t\"github.com/towerkit/tower\"\n)\n\nfunc main() { tower.Hello(); fmt.Printf(\"%d\", \"x\") }\n",
			func(*site) {}, "cannot vet the application"},
		"it does not start": {fits, func(s *site) { s.failure = errors.New("a rule that Go hides") }, "cannot start the application"},
		"the copy was changed": {fits, func(s *site) {
			tree{scaffolds.Vendored + "/tower.go": "package tower\n"}.write(s.t, s.app)
		}, "was changed by hand"},
		"another folder": {fits, func(s *site) { s.options.Replaced = "/elsewhere" }, "go.mod replaces tower by /elsewhere"},
		"no release":     {fits, func(s *site) { s.options.Replaced, s.options.Required = "", "v1.2.0" }, "requires tower v1.2.0, and this command is no release"},
		"older": {fits, func(s *site) {
			s.options.Replaced, s.options.Required, s.options.Version = "", "v1.2.0", "v1.1.9"
		}, "which is older"},
		"no source": {fits, func(s *site) { s.options.Source = "" }, "is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, test.main)
			test.change(s)
			s.unchanged(func() {
				if _, err := Prepare(t.Context(), s.options); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("the error is %v, want one with %q", err, test.want)
				}
			})
		})
	}
}

func TestForceUpgradesWhatDoesNotBuild(t *testing.T) {
	s := newSite(t, unfit)
	tree{scaffolds.Vendored + "/tower.go": "package tower // edited\n"}.write(t, s.app)
	s.options.Force = true
	u := s.prepare()
	if u.Unfit == nil || !strings.Contains(u.Unfit.Output, "undefined: tower.Old") {
		t.Fatalf("the reason is %v", u.Unfit)
	}
	if err := u.Apply(); err != nil {
		t.Fatal(err)
	}
	if got := readTree(t, s.app); got[scaffolds.Vendored+"/made.go"] == "" || got["main.go"] != unfit {
		t.Errorf("the application is %q", got)
	}
}

func TestApplyUndoesWhatItHasDone(t *testing.T) {
	for _, name := range []string{"openapi.json", "go.mod", "go.sum"} { // it changes after the upgrade was prepared
		t.Run(name, func(t *testing.T) {
			s := newSite(t, fits)
			var err error
			if s.derived, err = scaffolds.OpenAPI(s.app, []byte("{\"made\": \"new\"}\n"), "made", false); err != nil {
				t.Fatal(err)
			}
			s.unchanged(func() {
				u := s.prepare()
				before := readTree(t, s.app)[name]
				tree{name: before + "\n"}.write(t, s.app)
				if err := u.Apply(); err == nil || !strings.Contains(err.Error(), name+" has been changed") {
					t.Errorf("the error is %v", err)
				}
				if got := readTree(t, s.app)[name]; got != before+"\n" {
					t.Errorf("%s is %q", name, got)
				}
				tree{name: before}.write(t, s.app)
				if name == "go.sum" {
					err = os.Remove(filepath.Join(s.app, name)) // there was none
				}
				if err = errors.Join(err, u.Close()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestAnApplicationThatRunsIsNotStarted(t *testing.T) {
	s := newSite(t, fits)
	s.failure = ErrRunning
	u := s.prepare()
	if !u.Running {
		t.Error("it does not say that the application runs")
	}
	if err := u.Apply(); err != nil {
		t.Error(err)
	}
}

// TestUpgradeToARelease has the application that carries tower require a release instead.
func TestUpgradeToARelease(t *testing.T) {
	s := newSite(t, fits)
	release := module.Version{Path: towerModule, Version: "v0.2.0"}
	proxy := filepath.Join(t.TempDir(), filepath.FromSlash(towerModule), "@v")
	source := newTower(t, false)
	source["go.mod"] = "module " + towerModule + "\n\ngo 1.24\n"
	folder := t.TempDir()
	source.write(t, folder)
	tree{"v0.2.0.info": `{"Version":"v0.2.0"}`, "v0.2.0.mod": source["go.mod"], "list": "v0.2.0\n"}.write(t, proxy)
	packed, err := os.Create(filepath.Join(proxy, "v0.2.0.zip"))
	if err == nil {
		err = errors.Join(zip.CreateFromDir(packed, release, folder), packed.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(proxy))))
	s.options.Environ = append(s.options.Environ, "GOPROXY=file://"+filepath.ToSlash(root), "GOFLAGS=-modcacherw", "GOMODCACHE="+t.TempDir())
	s.options.Version = release.Version
	u := s.prepare()
	if err := u.Apply(); err != nil {
		t.Fatal(err)
	}
	got := readTree(t, s.app)
	if mod := got["go.mod"]; strings.Contains(mod, "replace") || !strings.Contains(mod, "require "+towerModule+" v0.2.0") {
		t.Errorf("go.mod is\n%s", mod)
	}
	if !strings.Contains(got["go.sum"], towerModule+" v0.2.0 h1:") {
		t.Errorf("go.sum is\n%s", got["go.sum"])
	}
	if _, err := os.Stat(vendored.Path(s.app)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy is still there (%v)", err)
	}
	s.options.Replaced, s.options.Required = "", release.Version
	if !s.prepare().UpToDate() {
		t.Error("another upgrade has something to do")
	}
}
