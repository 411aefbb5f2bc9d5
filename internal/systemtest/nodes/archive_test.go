package nodes

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store/storetest"
)

// TestOneNodeArchives lets one node at a time write the archive. When it has gone, another
// one goes on, and nothing is missing.
func TestOneNodeArchives(t *testing.T) {
	place := t.TempDir()
	t.Setenv("TOWER_BACKUP", place)
	pace := patient
	pace.Archive = 10 * time.Millisecond
	log := storetest.NewLog()
	first, second := join(t, log, 0, pace), join(t, log, 1, pace)
	archives := func(n *node) (seq uint64, is bool) {
		status, is := server.AppOf(n.App.App).Archived()
		return status.Seq, is
	}
	await(t, "node that leaves the archive to the other", func() bool {
		_, a := archives(first)
		_, b := archives(second)
		return a && !b
	})
	first.write(t, "a")
	second.write(t, "b")
	await(t, "archive of both commits", func() bool { seq, _ := archives(first); return seq == 2 })
	files := func() (names []string) {
		found, err := filepath.Glob(filepath.Join(place, "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	first.close()
	second.write(t, "c")
	await(t, "archive of the third commit", func() bool { seq, is := archives(second); return is && seq == 3 })
	var backups int
	for _, name := range files() {
		if strings.HasSuffix(name, ".backup") {
			backups++
		}
	}
	if backups != 1 {
		t.Errorf("%d backups were made: %v", backups, files())
	}
}
