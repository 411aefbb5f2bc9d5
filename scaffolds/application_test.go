package scaffolds

import (
	"go/format"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func TestNewApplication(t *testing.T) {
	source := sourceTree(t)
	for _, make := range []func(Options) (*Plan, error){New, Demo} {
		dir := filepath.Join(t.TempDir(), "deep", "shop")
		plan, err := make(Options{Name: "shop", Folder: dir, Module: "example.com/shop", Source: source})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Fatal("planning wrote something")
		}
		if err := plan.Apply(); err != nil {
			t.Fatal(err)
		}
		written := tree(t, dir)
		checkFiles(t, written)
		for name, text := range written {
			if strings.Contains(text, "[[") || strings.Contains(text, "tower/scaffolds") {
				t.Errorf("%s was not filled in:\n%s", name, text)
			}
		}
		if !strings.Contains(written["main.go"], `"example.com/shop/models"`) || !strings.Contains(written["main.go"], `Name:   "shop"`) {
			t.Errorf("main.go is\n%s", written["main.go"])
		}
		for _, name := range []string{"go.sum", ".gitignore", "README.md", "views/layout.html", "public/app.css", "controllers/session.go"} {
			if written[name] == "" {
				t.Errorf("%s is missing or empty", name)
			}
		}
	}
}

// checkFiles holds that Go is formatted as gofmt would, and that views parse.
func checkFiles(t *testing.T, files map[string]string) {
	t.Helper()
	views := template.New("").Funcs(template.FuncMap{"ref": func(string) any { return nil }, "time": func(any, ...string) any { return nil }, "args": func(...any) any { return nil }})
	for name, text := range files {
		switch path.Ext(name) {
		case ".go":
			if formatted, err := format.Source([]byte(text)); err != nil || string(formatted) != text {
				t.Errorf("%s is not what gofmt writes: %v\n%s", name, err, text)
			}
		case ".html":
			// Pages define the same names, so that each is read beside the others, not after them.
			if _, err := template.Must(views.Clone()).New(name).Parse(text); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestGoMod(t *testing.T) {
	source := sourceTree(t)
	mod := func(o Options) *modfile.File {
		t.Helper()
		o.Name, o.Folder = "blog", t.TempDir()
		plan, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := modfile.Parse("go.mod", plan.Steps[0].after, nil)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}

	fromSource := mod(Options{Source: source})
	if fromSource.Module.Mod.Path != "blog" || fromSource.Go.Version != "1.26" {
		t.Errorf("go.mod is for %v, go %v", fromSource.Module.Mod, fromSource.Go)
	}
	if len(fromSource.Replace) != 1 || fromSource.Replace[0].New.Path != source {
		t.Errorf("it replaces %v", fromSource.Replace)
	}
	var got []string
	for _, r := range fromSource.Require {
		got = append(got, r.Mod.String(), map[bool]string{true: "indirect", false: "direct"}[r.Indirect])
	}
	if want := "github.com/towerkit/tower@v0.0.0 direct example.com/a@v1.0.0 indirect example.com/b@v1.2.0 indirect"; strings.Join(got, " ") != want {
		t.Errorf("it requires %v, not %s", got, want)
	}

	if few := mod(Options{Source: source, Modules: []string{"example.com/b"}}); len(few.Require) != 2 || few.Require[1].Mod.Path != "example.com/b" {
		t.Errorf("of example.com/b alone, it requires %v", few.Require)
	}
	released := mod(Options{Version: "v0.3.0", GoMod: []byte("module github.com/towerkit/tower\n"), GoSum: []byte("sum")})
	if len(released.Replace) != 0 || released.Require[0].Mod.Version != "v0.3.0" {
		t.Errorf("at a released version: %v, %v", released.Require[0], released.Replace)
	}
}

func TestNewRefuses(t *testing.T) {
	source := sourceTree(t)
	full := t.TempDir()
	put(t, full, "notes.txt", "mine")
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Name: ""}, "contains letters"},
		{Options{Name: "1blog"}, "begins with a letter"},
		{Options{Name: "my blog"}, "cannot be part of a name"},
		{Options{Name: "a/b"}, "cannot be part of a name"},
		{Options{Name: "blog-"}, "ends with a letter or a digit"},
		{Options{Name: "func"}, "keyword in Go"},
		{Options{Name: "string"}, "predeclared identifier in Go"},
		{Options{Name: "go"}, "Go or tower uses that name"},
		{Options{Name: "test"}, "Go or tower uses that name"},
		{Options{Name: "Tower"}, "Go or tower uses that name"},
		{Options{Name: "internal"}, "Go or tower uses that name"},
		{Options{Name: "con"}, "disallowed as path element"},
		{Options{Name: "blog", Module: "bad path"}, "invalid char"},
		{Options{Name: "blog", Module: "net/blog"}, "paths in net belong"},
		{Options{Name: "blog", Module: "github.com/towerkit/tower/blog"}, "belong to Go or tower"},
		{Options{Name: "blog", Folder: full}, "contains notes.txt"},
		{Options{Name: "blog", Folder: filepath.Join(full, "notes.txt")}, "is a file"},
		{Options{Name: "blog", Source: filepath.Join(full, "gone")}, "is no longer in"},
		{Options{Name: "blog", Source: full}, "is no longer in"},
		{Options{Name: "blog", Source: "-"}, "knows neither its version nor its source"},
	} {
		switch c.o.Source {
		case "":
			c.o.Source = source
		case "-":
			c.o.Source = ""
		}
		if c.o.Folder == "" {
			c.o.Folder = filepath.Join(full, "new")
		}
		if _, err := New(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want an error with %q", c.o, err, c.want)
		}
	}
	sameTree(t, tree(t, full), map[string]string{"notes.txt": "mine"})
}

// An application's name is also the name of its folder, so a folder that is
// there and empty is no hindrance.
func TestNewIntoAnEmptyFolder(t *testing.T) {
	apply(t)(New(Options{Name: "blog", Folder: t.TempDir(), Source: sourceTree(t)}))
}

// The sample application has the styles and the list of unsent forms of a new one.
func TestDemoHasTheStylesOfANewApplication(t *testing.T) {
	demo, blog := t.TempDir(), newApp(t)
	apply(t)(Demo(Options{Name: "blog", Folder: demo, Source: sourceTree(t)}))
	for _, name := range []string{"public/app.css", "public/favicon.svg", "views/_unsent.html", ".gitignore"} {
		if get(t, demo, name) != get(t, blog, name) {
			t.Errorf("%s is not that of a new application", name)
		}
	}
	if get(t, demo, "public/board.css") == "" {
		t.Error("public/board.css is empty")
	}
}
