package dev

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/towerkit/tower/internal/private/privatetest"
)

// TestTheLockIsThisUsersOwn: whoever can open the lock can hold it, and says which process to
// stop.
func TestTheLockIsThisUsersOwn(t *testing.T) {
	privatetest.Written(t, filepath.Join("tmp", "server.lock"), func(folder string) error {
		lock, err := lockFolder(folder)
		if err == nil {
			lock.unlock()
		}
		if running := Running(folder); running != nil {
			t.Errorf("it runs: %v", running)
		}
		return err
	})
	folder := t.TempDir()
	lock, err := lockFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.unlock()
	for path, want := range map[string]os.FileMode{"tmp": 0o700, "tmp/server.lock": 0o600} {
		if info, err := os.Stat(filepath.Join(folder, path)); err != nil || info.Mode().Perm() != want && runtime.GOOS != "windows" {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}
