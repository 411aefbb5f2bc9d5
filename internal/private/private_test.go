package private

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	if !checksMode {
		t.Skip("this system has no modes")
	}
	top := t.TempDir()
	path := func(name string) string { return filepath.Join(top, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(Folder(path("new")))
	must(Folder(path("new"))) // again
	must(os.Symlink(path("new"), path("link")))
	must(os.Symlink(path("nothing"), path("dangling")))
	must(os.WriteFile(path("file"), nil, 0o600))
	must(os.Mkdir(path("open"), 0o755))
	must(os.Mkdir(path("theirs"), 0o700))
	for name, want := range map[string]string{"link": "is a link", "dangling": "is a link", "file": "is not a folder", "open": "chmod 700"} {
		if err := Folder(path(name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", name, err, want)
		}
	}
	if os.Chown(path("theirs"), 12345, 12345) == nil {
		if err := Folder(path("theirs")); err == nil || !strings.Contains(err.Error(), "another user") {
			t.Errorf("theirs: %v", err)
		}
	}
}
