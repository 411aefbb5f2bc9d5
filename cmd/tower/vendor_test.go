//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/vendored"
)

// TestVendoredApplicationNeedsNoOtherFolder checks that a new application, and the command
// in it, are built from its own files and from modules alone.
func TestVendoredApplicationNeedsNoOtherFolder(t *testing.T) {
	w := newHarness(t)
	w.must(w.folder, "new", "shop")
	folder := filepath.Join(w.folder, "shop")
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", ".gitignore", "README.md"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), top) || strings.Contains(string(text), w.folder) {
			t.Errorf("%s names a folder of this machine:\n%s", name, text)
		}
	}
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	list := func(folder, pattern string) {
		t.Helper()
		// A file that is missing, or matches no pattern of an embed, is an error of its package.
		cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.Dir}}{{end}}", pattern)
		cmd.Dir, cmd.Env = folder, append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "PWD="+folder)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("list %s in %s: %v\n%s", pattern, folder, err, out)
		}
		for _, dir := range strings.Fields(string(out)) {
			if !strings.HasPrefix(dir, folder) && !strings.HasPrefix(dir, strings.TrimSpace(string(cache))) {
				t.Errorf("%s is built from %s", pattern, dir)
			}
		}
	}
	list(folder, "./...")
	list(filepath.Join(folder, "third_party", "tower"), "./cmd/tower")
	list(filepath.Join(folder, "third_party", "tower"), "./...")
}

func TestVendor(t *testing.T) {
	w := newHarness(t)
	w.must(w.folder, "new", "shop", "--vendor=false")
	folder := filepath.Join(w.folder, "shop")
	if said := w.must(folder, "vendor"); !strings.Contains(said, "copied tower to third_party/tower") {
		t.Error(said)
	}
	mod, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil || !strings.Contains(string(mod), "replace github.com/towerkit/tower => ./third_party/tower\n") || strings.Count(string(mod), "=>") != 1 {
		t.Errorf("%s, %v", mod, err)
	}
	w.must(folder, "vendor") // again
	changed := filepath.Join(folder, "third_party", "tower", "doc.go")
	if err := os.WriteFile(changed, []byte("package tower\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := w.command(folder, "vendor").CombinedOutput(); err == nil || !strings.Contains(string(out), "was changed by hand") {
		t.Errorf("%s, %v", out, err)
	}
	w.must(folder, "vendor", "--force")
	if text, err := os.ReadFile(changed); err != nil || !strings.Contains(string(text), "Package tower") {
		t.Errorf("%s, %v", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "third_party", ".tower-*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// TestUpgrade has an application carry an older tower, and upgrades it.
func TestUpgrade(t *testing.T) {
	w := newHarness(t)
	w.must(w.folder, "new", "shop")
	folder := filepath.Join(w.folder, "shop")
	w.must(folder, "generate", "scaffold", "Post", "title:string")
	w.must(folder, "generate", "types")
	types := filepath.Join(folder, "app", "tower.d.ts")
	edit := func(name, from, to string) {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), from) {
			t.Fatalf("%s has no %q (%v)", name, from, err)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), from, to, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	target := vendored.Path(folder)
	edit(filepath.Join(target, "CHANGELOG.md"), "- `tower upgrade`", "- Another command")
	edit(filepath.Join(target, "doc.go"), "package tower\n", "package tower\n\n// Older is in the old version only.\nconst Older = 1\n")
	sum, err := vendored.Sum(target)
	if err == nil {
		err = os.WriteFile(filepath.Join(target, "tower.sum"), []byte(sum+"\n"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	edit(types, "\n\n", "\n// a line of the old version\n\n")

	said := w.must(folder, "upgrade", "--dry-run")
	for _, want := range []string{"- `tower upgrade`", "update  third_party/tower", "0 new, 2 changed, 0 gone", "update  app/tower.d.ts", "started it on an empty store", "nothing was changed"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if now, err := vendored.Sum(target); err != nil || now != sum {
		t.Errorf("a dry run changed the copy (%v)", err)
	}

	edit(filepath.Join(folder, "main.go"), "func main() {", "func main() {\n\t_ = tower.Older\n")
	out, err := w.command(folder, "upgrade").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "main.go:") || !strings.Contains(string(out), "nothing was changed") || !strings.Contains(string(out), "tower upgrade --force") {
		t.Errorf("%v\n%s", err, out)
	}
	if now, err := vendored.Sum(target); err != nil || now != sum {
		t.Errorf("an upgrade that failed changed the copy (%v)", err)
	}

	edit(filepath.Join(folder, "main.go"), "\t_ = tower.Older\n", "")
	w.must(folder, "upgrade")
	if text, err := os.ReadFile(types); err != nil || strings.Contains(string(text), "a line of the old version") {
		t.Errorf("the types are as they were (%v)", err)
	}
	if now, err := vendored.Sum(target); err != nil || now == sum || vendored.Check(folder) != nil {
		t.Errorf("the copy is as it was (%v)", err)
	}
	if said := w.must(folder, "upgrade"); !strings.Contains(said, "nothing to do") {
		t.Error(said)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "third_party", ".tower-*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
