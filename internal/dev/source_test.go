package dev

import (
	"os"
	"path/filepath"
	"testing"
)

// The hash of the source changes with what may change a migration, and with nothing else.
func TestSourceHash(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := filepath.Join(root, "blog")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "names/names.go", "blog/main.go", "blog/migrations/one.go", "blog/views/index.html"} {
		write(name, name)
	}
	seen := map[string]string{}
	hash := func() string {
		t.Helper()
		sum, err := sourceHash(folder)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	last := hash()
	for _, name := range []string{"names/names.go", "go.mod", "go.sum", "blog/migrations/one.go", "blog/migrations/table.csv", "blog/models/post.go"} {
		write(name, "changed "+name)
		sum := hash()
		if other, known := seen[sum]; known || sum == last {
			t.Errorf("%s has changed, and the hash has not, or is that after %q", name, other)
		}
		seen[sum], last = name, sum
	}
	for _, name := range []string{"blog/views/index.html", "blog/main_test.go", "blog/db/development.db", "blog/.git/hooks/a.go", "blog/node_modules/a/a.go", "blog/tmp/main.go"} {
		write(name, "changed "+name)
		if hash() != last {
			t.Errorf("%s has changed, and the hash too", name)
		}
	}
}
