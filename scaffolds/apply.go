package scaffolds

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fileSystem holds the calls that write files, so that tests can make them fail.
type fileSystem struct {
	mkdir  func(name string) error
	write  func(name string, text []byte, mode fs.FileMode) error
	rename func(from, to string) error
}

var osFileSystem = fileSystem{
	mkdir: func(name string) error { return os.Mkdir(name, 0o777) },
	write: func(name string, text []byte, mode fs.FileMode) error {
		if err := os.WriteFile(name, text, 0o666); err != nil || mode == 0 {
			return err
		}
		return os.Chmod(name, mode)
	},
	rename: os.Rename,
}

// Apply carries out the plan, all of it or nothing: after an error every file is
// as it was. It refuses a plan that has conflicts, and a plan whose files have
// changed since the plan was made.
func (p *Plan) Apply() error {
	if conflicts := p.Conflicts(); len(conflicts) > 0 {
		paths := make([]string, len(conflicts))
		for i, s := range conflicts {
			paths[i] = s.Path
		}
		return fmt.Errorf("nothing was changed, because of conflicts: %s; --force overwrites them", strings.Join(paths, ", "))
	}
	var changes []*fileChange
	for _, s := range p.Steps {
		if !s.changes() {
			continue
		}
		c := &fileChange{step: s, target: filepath.Join(p.Folder, filepath.FromSlash(s.Path))}
		if err := c.check(); err != nil {
			return err
		}
		changes = append(changes, c)
	}

	t := fileTransaction{fs: p.fs}
	if err := t.run(changes); err != nil {
		return errors.Join(fmt.Errorf("nothing was changed: %w", err), t.undo())
	}
	return t.finish(p.Folder, changes)
}

// A fileChange is a step and the file that it changes.
type fileChange struct {
	step   Step
	target string
	mode   fs.FileMode // 0: the default of a new file
}

// check returns an error if the file has changed since the plan was made.
func (c *fileChange) check() error {
	if real, err := filepath.EvalSymlinks(c.target); err == nil {
		c.target = real
	}
	info, err := os.Stat(c.target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if c.step.before == nil {
			return nil
		}
		return fmt.Errorf("%s has been removed since this was planned; try again", c.step.Path)
	case err != nil:
		return fmt.Errorf("look at %s: %w", c.step.Path, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file; move it away and try again", c.step.Path)
	}
	c.mode = info.Mode().Perm()
	text, err := os.ReadFile(c.target)
	if err != nil {
		return fmt.Errorf("read %s: %w", c.step.Path, err)
	}
	if c.step.before == nil || !bytes.Equal(text, c.step.before) {
		return fmt.Errorf("%s has been changed since this was planned; try again", c.step.Path)
	}
	return nil
}

// A fileTransaction changes several files. It keeps what it needs to undo the
// changes.
type fileTransaction struct {
	fs      fileSystem
	undos   []func() error
	backups []string
}

// run writes every file under a temporary name first, because writing is what
// fails when a disk is full, and then renames them all.
func (t *fileTransaction) run(changes []*fileChange) error {
	temps := make([]string, len(changes))
	for i, c := range changes {
		if c.step.after == nil {
			continue
		}
		if err := t.folders(filepath.Dir(c.target)); err != nil {
			return fmt.Errorf("make the folder of %s: %w", c.step.Path, err)
		}
		temps[i] = tempName(c.target)
		t.undos = append(t.undos, func() error { return removeIfThere(temps[i]) })
		if err := t.fs.write(temps[i], c.step.after, c.mode); err != nil {
			return fmt.Errorf("write %s: %w", c.step.Path, err)
		}
	}
	for i, c := range changes {
		if c.step.before != nil {
			backup := tempName(c.target)
			if err := t.fs.rename(c.target, backup); err != nil {
				return fmt.Errorf("replace %s: %w", c.step.Path, err)
			}
			t.backups = append(t.backups, backup)
			t.undos = append(t.undos, func() error { return os.Rename(backup, c.target) })
		}
		if c.step.after != nil {
			if err := t.fs.rename(temps[i], c.target); err != nil {
				return fmt.Errorf("write %s: %w", c.step.Path, err)
			}
			t.undos = append(t.undos, func() error { return os.Remove(c.target) })
		}
	}
	return nil
}

// folders makes a folder and its parents.
func (t *fileTransaction) folders(name string) error {
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if err := t.folders(filepath.Dir(name)); err != nil {
		return err
	}
	if err := t.fs.mkdir(name); err != nil {
		return err
	}
	t.undos = append(t.undos, func() error { return os.Remove(name) })
	return nil
}

// undo reverts the changes, the last one first.
func (t *fileTransaction) undo() error {
	var errs []error
	for i := len(t.undos) - 1; i >= 0; i-- {
		errs = append(errs, t.undos[i]())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("some changes could not be undone: %w", err)
	}
	return nil
}

// finish removes the backups, and the folders that are empty now.
func (t *fileTransaction) finish(root string, changes []*fileChange) error {
	for _, backup := range t.backups {
		if err := os.Remove(backup); err != nil {
			return fmt.Errorf("the plan was applied, but a backup was left behind: %w", err)
		}
	}
	for _, c := range changes {
		if c.step.after != nil {
			continue
		}
		// Remove fails on a folder that is not empty, which ends the climb.
		for dir := filepath.Dir(filepath.Join(root, filepath.FromSlash(c.step.Path))); dir != filepath.Clean(root); dir = filepath.Dir(dir) {
			if os.Remove(dir) != nil {
				break
			}
		}
	}
	return nil
}

// tempName returns a new name in the folder of a file. It begins with a dot, so
// Go and tower ignore the file.
func tempName(target string) string {
	return filepath.Join(filepath.Dir(target), ".tower-"+rand.Text())
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
