//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
