// Package lock locks files for one process. The system releases a lock when the process that
// has it exits.
package lock

import (
	"errors"
	"io/fs"
	"os"

	"github.com/towerkit/tower/internal/private"
)

// Held reports whether another process has locked the file at path. It returns false
// for a file that does not exist.
func Held(path string) (bool, error) {
	file, err := private.OpenShared(path, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = File(file)
	if errors.Is(err, ErrHeld) {
		return true, nil
	}
	return false, err
}
