// Package unsynced is for a file that is written without a wait for the disk, because what it
// loses is known elsewhere.
//
// A process that is killed leaves its writes to the system. But if the machine stops, only some
// of them have reached the disk, in any order, so that nothing in the file can be believed. So a
// mark lies beside it, which is on the disk before the first of these writes and is removed
// after the last: it names the run of the machine.
package unsynced

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/towerkit/tower/internal/private"
)

// run names this run of the machine. It is empty where that is not known.
var run = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
})

const damaged = "damaged"

func markOf(path string) string { return path + ".unsynced" }

// Doubt returns why the file at path cannot be believed; "" if it can.
func Doubt(path string) (why string, err error) {
	file, err := private.OpenShared(markOf(path), os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	mark, err := io.ReadAll(file)
	switch err := errors.Join(err, file.Close()); {
	case err != nil:
		return "", err
	case string(mark) == damaged:
		return "it was damaged", nil
	case len(mark) == 0 || string(mark) != run():
		return "the machine stopped before it was on the disk", nil
	}
	return "", nil
}

// Begin marks the file at path. It returns false if the file must wait for the disk, since the
// run of the machine is not known.
func Begin(path string) (begun bool, err error) {
	if run() == "" {
		return false, nil
	}
	return true, write(path, run())
}

// Damaged marks the file at path as one that cannot be believed.
func Damaged(path string) error { return write(path, damaged) }

func write(path, text string) error {
	file, err := private.OpenShared(markOf(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err != nil {
		return fmt.Errorf("mark %s as unsynced: %w", path, err)
	}
	if folder, err := os.Open(filepath.Dir(path)); err == nil {
		_ = folder.Sync() // if the system can do that
		_ = folder.Close()
	}
	return nil
}

// End removes the mark. What was written to the file is on the disk.
func End(path string) error {
	if err := os.Remove(markOf(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// SetRun has the machine begin another run, in tests. The empty run is one that is not known.
func SetRun(name string) (restore func()) {
	was := run
	run = func() string { return name }
	return func() { run = was }
}
