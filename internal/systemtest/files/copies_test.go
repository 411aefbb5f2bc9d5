package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The archive gets a copy of each file, from which an application reads what its own place has
// lost, and which goes with the file.
func TestTheArchiveHasCopies(t *testing.T) {
	backup := t.TempDir()
	t.Setenv("TOWER_BACKUP", backup)
	t.Setenv("TOWER_BACKUP_KEEP", "1h")
	w := open(t)
	text := content(5 << 20)
	p := w.create(w.ada, anything("a", "", text))
	copies := func() (n int) {
		_ = filepath.WalkDir(filepath.Join(backup, "files"), func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && entry.Name()[0] != '.' {
				n++
			}
			return nil
		})
		return n
	}
	for copies() != 2 {
		if t.Context().Err() != nil {
			t.Fatal("the file is not copied")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := os.RemoveAll(w.files().Place()); err != nil {
		t.Fatal(err)
	}
	if _, got := w.do(w.ada, "GET", p.Any.URL, "", nil); got != string(text) {
		t.Errorf("from the archive come %d bytes", len(got))
	}
	w.deleteForGood(p)
	if n := copies(); n != 0 {
		t.Errorf("%d copies are left", n)
	}
}
