package upgrade

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/towerkit/tower/internal/vendored"
)

// Apply replaces what has changed. After an error everything is as it was. If the process
// ends in the middle, another upgrade completes it.
func (u *Upgrade) Apply() (err error) {
	var undos []func() error
	defer func() {
		for i := len(undos) - 1; err != nil && i >= 0; i-- {
			if undo := undos[i](); undo != nil {
				err = errors.Join(err, fmt.Errorf("some changes could not be undone: %w", undo))
			}
		}
	}()
	if u.copy != nil {
		if err := u.copy.Swap(); err != nil {
			return err
		}
		undos = append(undos, u.copy.Restore)
	}
	for _, file := range []struct {
		name          string
		before, after []byte
	}{{"go.sum", u.sum, u.news}, {"go.mod", u.mod, u.newMod}} {
		undo, err := replace(filepath.Join(u.options.Folder, file.name), file.before, file.after)
		if err != nil {
			return err
		}
		undos = append(undos, undo)
	}
	if u.derived != nil {
		if err := u.derived.Apply(); err != nil {
			return err
		}
	}
	undos = nil
	if u.copy != nil {
		return u.copy.Finish()
	}
	if u.dropped {
		return os.RemoveAll(vendored.Path(u.options.Folder))
	}
	return nil
}

// replace replaces a file at once. It refuses one that has changed since it was read.
func replace(name string, before, after []byte) (undo func() error, err error) {
	if string(before) == string(after) {
		return func() error { return nil }, nil
	}
	now, err := readIfThere(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(name), err)
	}
	if string(now) != string(before) {
		return nil, fmt.Errorf("%s has been changed meanwhile; try again", filepath.Base(name))
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	if err := write(name, after, mode); err != nil {
		return nil, err
	}
	return func() error {
		if before == nil {
			return os.Remove(name)
		}
		return write(name, before, mode)
	}, nil
}

// write writes a file beside the one that is there, and renames it.
func write(name string, text []byte, mode os.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(name), ".tower-*")
	if err == nil {
		_, err = temp.Write(text)
		err = errors.Join(err, temp.Chmod(mode), temp.Close())
		if err == nil {
			err = os.Rename(temp.Name(), name)
		}
		if err != nil {
			_ = os.Remove(temp.Name()) // the error says why
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	return nil
}
