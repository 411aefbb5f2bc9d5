// Package private makes and checks folders that only this user may use. A folder at a place
// that others can write to, such as /tmp, may have been made by somebody else.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Folder makes a folder that only this user can read and write, unless it exists. It fails if
// what exists is a link, no folder, another user's, or open to others.
func Folder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a link; remove it", path)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder; remove it", path)
	case !owned(info):
		return fmt.Errorf("%s belongs to another user; set XDG_RUNTIME_DIR to a folder of your own", path)
	case info.Mode().Perm()&0o077 != 0 && checksMode:
		return fmt.Errorf("%s is open to other users (mode %o); run chmod 700 %s", path, info.Mode().Perm(), path)
	}
	return nil
}
