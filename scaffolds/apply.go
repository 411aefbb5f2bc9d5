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

// fileSystem is what applying a plan asks of the file system, so that tests can make it fail.
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

// Apply does what the plan says, all of it or nothing: on an error, every file
// is as it was. It refuses a plan with conflicts, and one whose files have
// changed since it was made.
func (p *Plan) Apply() error {
	if conflicts := p.Conflicts(); len(conflicts) > 0 {
		paths := make([]string, len(conflicts))
		for i, s := range conflicts {
			paths[i] = s.Path
		}
		return fmt.Errorf("nothing was changed, because of %s; --force goes ahead", strings.Join(paths, ", "))
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

// A fileChange is a step on its way to the disk.
type fileChange struct {
	step   Step
	target string
	mode   fs.FileMode // 0: that of a new file
}

// check looks whether the file is as it was when the plan was made.
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

// An fileTransaction remembers how to take back what it did, and what to clear away
// when it need not.
type fileTransaction struct {
	fs      fileSystem
	undos   []func() error
	backups []string
}

// run writes every text beside its target first, since that is what fails when
// a disk is full, and then moves them all into place.
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

// folders makes a folder and those above it.
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

// undo takes everything back, the last thing first.
func (t *fileTransaction) undo() error {
	var errs []error
	for i := len(t.undos) - 1; i >= 0; i-- {
		errs = append(errs, t.undos[i]())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("and it could not all be taken back: %w", err)
	}
	return nil
}

// finish clears away what only undo needed, and folders that are empty now.
func (t *fileTransaction) finish(root string, changes []*fileChange) error {
	for _, backup := range t.backups {
		if err := os.Remove(backup); err != nil {
			return fmt.Errorf("all is done, but a file was left behind: %w", err)
		}
	}
	for _, c := range changes {
		if c.step.after != nil {
			continue
		}
		// Remove fails on a folder that holds something: the way up ends there.
		for dir := filepath.Dir(filepath.Join(root, filepath.FromSlash(c.step.Path))); dir != filepath.Clean(root); dir = filepath.Dir(dir) {
			if os.Remove(dir) != nil {
				break
			}
		}
	}
	return nil
}

// tempName returns a new name in the folder of a file. Go, tower and most people
// overlook names that begin with a dot.
func tempName(target string) string {
	return filepath.Join(filepath.Dir(target), ".tower-"+rand.Text())
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
