package scaffolds

import (
	"bytes"
	"flag"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	update = flag.Bool("update", false, "write the golden files anew")
	seed   = flag.Uint64("seed", 0, "of random tests; 0 is a new one")
)

// random returns a source whose seed is in the log of a test that fails.
func random(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("go test -run %s -seed %d", t.Name(), s)
	return rand.New(rand.NewPCG(s, 0))
}

// sourceTree returns the folder of something that looks like the source of tower.
func sourceTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "go.mod", "module github.com/towerkit/tower\n\ngo 1.26\n\nrequire (\n\texample.com/a v1.0.0\n\texample.com/b v1.2.0 // indirect\n)\n")
	put(t, dir, "go.sum", "example.com/a v1.0.0 h1:x\n")
	return dir
}

// newApp writes a new application and returns its folder.
func newApp(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "blog")
	apply(t)(New(Options{Name: "blog", Folder: dir, Source: sourceTree(t)}))
	return dir
}

func apply(t *testing.T) func(*Plan, error) {
	return func(p *Plan, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Apply(); err != nil {
			t.Fatalf("%v\n%s", err, p)
		}
	}
}

// generate runs a generator given as a command line, as in "scaffold Post title:string".
func generate(t *testing.T, dir, line string) {
	t.Helper()
	args := strings.Fields(line)
	apply(t)(Generate(dir, args[0], args[1:], false))
}

func destroy(t *testing.T, dir, line string) {
	t.Helper()
	args := strings.Fields(line)
	apply(t)(Destroy(dir, args[0], args[1:], false))
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tree returns every file of a folder, and every folder, as name/.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			all[filepath.ToSlash(rel)+"/"] = ""
			return nil
		}
		text, err := os.ReadFile(name)
		all[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameTree fails the test, naming what differs, unless two trees are the same.
func sameTree(t *testing.T, got, want map[string]string) {
	t.Helper()
	names := maps.Clone(want)
	maps.Copy(names, got)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		g, there := got[name]
		w, wanted := want[name]
		switch {
		case !there:
			t.Errorf("%s is missing", name)
		case !wanted:
			t.Errorf("%s should not be there", name)
		case !bytes.Equal([]byte(g), []byte(w)):
			t.Errorf("%s differs:\n%s\nwant:\n%s", name, g, w)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}
