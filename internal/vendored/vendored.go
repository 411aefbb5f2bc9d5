// Package vendored keeps the copy of tower's source that an application carries.
package vendored

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/towerkit/tower/scaffolds"
)

const towerModule = "github.com/towerkit/tower"

// sumFile is the file in a copy that has the hash of its other files.
const sumFile = "tower.sum"

// ErrEdited is the error for a copy that was changed by hand.
var ErrEdited = errors.New("was changed by hand")

// Path returns where the application in folder has its copy.
func Path(folder string) string { return filepath.Join(folder, filepath.FromSlash(scaffolds.Vendored)) }

// A Copy is a copy of tower's source beside the place for it in an application. Neither go
// nor tower looks at it there.
type Copy struct {
	Folder string
	Files  int
	Size   int64
	Sum    string

	target, old string
}

// Make copies a source for the application in folder.
func Make(source, folder string) (c *Copy, err error) {
	target := Path(folder)
	if source == target {
		return nil, fmt.Errorf("this command was built from %s itself; use one that was built from another source", scaffolds.Vendored)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return nil, fmt.Errorf("copy tower: %w", err)
	}
	made, err := os.MkdirTemp(filepath.Dir(target), ".tower-*")
	if err != nil {
		return nil, fmt.Errorf("copy tower: %w", err)
	}
	c = &Copy{Folder: made, target: target, old: made + ".old"}
	unfinished := c // c is nil when an error is returned
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("copy tower: %w", err), unfinished.Discard())
		}
	}()
	if err := os.Chmod(made, 0o755); err != nil {
		return nil, err
	}
	if c.Files, c.Size, err = copySource(source, made); err != nil {
		return nil, err
	}
	if c.Sum, err = Sum(made); err != nil {
		return nil, err
	}
	return c, os.WriteFile(filepath.Join(made, sumFile), []byte(c.Sum+"\n"), 0o644)
}

// Discard removes the copy, unless it is in its place. It removes the folder around it if
// that is empty.
func (c *Copy) Discard() error {
	err := os.RemoveAll(c.Folder)
	_ = os.Remove(filepath.Dir(c.Folder)) // it has other files
	return err
}

// Swap puts the copy in its place, and what was there aside. Call Restore or Finish.
func (c *Copy) Swap() error {
	if err := os.Rename(c.target, c.old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replace %s: %w", scaffolds.Vendored, err)
	}
	if err := os.Rename(c.Folder, c.target); err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", scaffolds.Vendored, err), c.putBack())
	}
	return nil
}

// Restore undoes Swap.
func (c *Copy) Restore() error {
	if err := os.Rename(c.target, c.Folder); err != nil {
		return fmt.Errorf("restore %s: %w", scaffolds.Vendored, err)
	}
	return c.putBack()
}

func (c *Copy) putBack() error {
	if err := os.Rename(c.old, c.target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restore %s from %s: %w", scaffolds.Vendored, c.old, err)
	}
	return nil
}

// Finish removes what Swap put aside.
func (c *Copy) Finish() error { return os.RemoveAll(c.old) }

// Replace makes a copy for the application in folder, in place of an earlier one. The error
// is ErrEdited if that was changed by hand, unless force is set.
func Replace(source, folder string, force bool) (*Copy, error) {
	if err := Check(folder); err != nil && !force {
		return nil, err
	}
	c, err := Make(source, folder)
	if err != nil {
		return nil, err
	}
	if err := c.Swap(); err != nil {
		return nil, errors.Join(err, c.Discard())
	}
	return c, c.Finish()
}

// Check returns an error if the copy in an application was changed by hand: ErrEdited. No
// copy is no error.
func Check(folder string) error {
	target := Path(folder)
	if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	want, err := os.ReadFile(filepath.Join(target, sumFile))
	if err != nil {
		return fmt.Errorf("%s is there, and tower vendor has not made it: it %w", scaffolds.Vendored, ErrEdited)
	}
	sum, err := Sum(target)
	if err != nil {
		return fmt.Errorf("read %s: %w", scaffolds.Vendored, err)
	}
	if sum != strings.TrimSpace(string(want)) {
		return fmt.Errorf("%s %w", scaffolds.Vendored, ErrEdited)
	}
	return nil
}

// Sum returns the hash of a copy's files, but for the one that holds it.
func Sum(folder string) (string, error) {
	files, err := dirhash.DirFiles(folder, "tower")
	if err != nil {
		return "", err
	}
	var hashed []string
	for _, name := range files {
		if name != "tower/"+sumFile {
			hashed = append(hashed, name)
		}
	}
	return dirhash.Hash1(hashed, func(name string) (io.ReadCloser, error) {
		return os.Open(filepath.Join(folder, filepath.FromSlash(strings.TrimPrefix(name, "tower/"))))
	})
}

// Use has a go.mod use the copy in the folder of its module, or the one at path.
func Use(mod *modfile.File, path string) error {
	if err := Release(mod); err != nil {
		return err
	}
	return mod.AddReplace(towerModule, "", path, "")
}

// Release has a go.mod use no folder in place of tower.
func Release(mod *modfile.File) error {
	for _, replace := range mod.Replace {
		if replace.Old.Path == towerModule {
			if err := mod.DropReplace(replace.Old.Path, replace.Old.Version); err != nil {
				return err
			}
		}
	}
	return nil
}
