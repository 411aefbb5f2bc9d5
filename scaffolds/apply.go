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

// disk is what applying a plan asks of the file system, so that tests can make it fail.
type disk struct {
	mkdir  func(name string) error
	write  func(name string, text []byte, mode fs.FileMode) error
	rename func(from, to string) error
}

var realDisk = disk{
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
	var jobs []*job
	for _, s := range p.Steps {
		if !s.changes() {
			continue
		}
		j := &job{step: s, target: filepath.Join(p.Folder, filepath.FromSlash(s.Path))}
		if err := j.check(); err != nil {
			return err
		}
		jobs = append(jobs, j)
	}

	a := attempt{disk: p.disk}
	if err := a.run(jobs); err != nil {
		return errors.Join(fmt.Errorf("nothing was changed: %w", err), a.undo())
	}
	return a.finish(p.Folder, jobs)
}

// A job is a step on its way to the disk.
type job struct {
	step   Step
	target string
	mode   fs.FileMode // 0: that of a new file
}

// check looks whether the file is as it was when the plan was made.
func (j *job) check() error {
	if real, err := filepath.EvalSymlinks(j.target); err == nil {
		j.target = real
	}
	info, err := os.Stat(j.target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if j.step.before == nil {
			return nil
		}
		return fmt.Errorf("%s has been removed since this was planned; try again", j.step.Path)
	case err != nil:
		return fmt.Errorf("look at %s: %w", j.step.Path, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file; move it away and try again", j.step.Path)
	}
	j.mode = info.Mode().Perm()
	text, err := os.ReadFile(j.target)
	if err != nil {
		return fmt.Errorf("read %s: %w", j.step.Path, err)
	}
	if j.step.before == nil || !bytes.Equal(text, j.step.before) {
		return fmt.Errorf("%s has been changed since this was planned; try again", j.step.Path)
	}
	return nil
}

// An attempt remembers how to take back what it did, and what to clear away
// when it need not.
type attempt struct {
	disk    disk
	undos   []func() error
	backups []string
}

// run writes every text beside its target first, since that is what fails when
// a disk is full, and then moves them all into place.
func (a *attempt) run(jobs []*job) error {
	temps := make([]string, len(jobs))
	for i, j := range jobs {
		if j.step.after == nil {
			continue
		}
		if err := a.folders(filepath.Dir(j.target)); err != nil {
			return fmt.Errorf("make the folder of %s: %w", j.step.Path, err)
		}
		temps[i] = beside(j.target)
		a.undos = append(a.undos, func() error { return removeIfThere(temps[i]) })
		if err := a.disk.write(temps[i], j.step.after, j.mode); err != nil {
			return fmt.Errorf("write %s: %w", j.step.Path, err)
		}
	}
	for i, j := range jobs {
		if j.step.before != nil {
			backup := beside(j.target)
			if err := a.disk.rename(j.target, backup); err != nil {
				return fmt.Errorf("replace %s: %w", j.step.Path, err)
			}
			a.backups = append(a.backups, backup)
			a.undos = append(a.undos, func() error { return os.Rename(backup, j.target) })
		}
		if j.step.after != nil {
			if err := a.disk.rename(temps[i], j.target); err != nil {
				return fmt.Errorf("write %s: %w", j.step.Path, err)
			}
			a.undos = append(a.undos, func() error { return os.Remove(j.target) })
		}
	}
	return nil
}

// folders makes a folder and those above it.
func (a *attempt) folders(name string) error {
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if err := a.folders(filepath.Dir(name)); err != nil {
		return err
	}
	if err := a.disk.mkdir(name); err != nil {
		return err
	}
	a.undos = append(a.undos, func() error { return os.Remove(name) })
	return nil
}

// undo takes everything back, the last thing first.
func (a *attempt) undo() error {
	var errs []error
	for i := len(a.undos) - 1; i >= 0; i-- {
		errs = append(errs, a.undos[i]())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("and it could not all be taken back: %w", err)
	}
	return nil
}

// finish clears away what only undo needed, and folders that are empty now.
func (a *attempt) finish(root string, jobs []*job) error {
	for _, backup := range a.backups {
		if err := os.Remove(backup); err != nil {
			return fmt.Errorf("all is done, but a file was left behind: %w", err)
		}
	}
	for _, j := range jobs {
		if j.step.after != nil {
			continue
		}
		// Remove fails on a folder that holds something: the way up ends there.
		for dir := filepath.Dir(filepath.Join(root, filepath.FromSlash(j.step.Path))); dir != filepath.Clean(root); dir = filepath.Dir(dir) {
			if os.Remove(dir) != nil {
				break
			}
		}
	}
	return nil
}

// beside returns a new name in the folder of a file. Go, tower and most people
// overlook names that begin with a dot.
func beside(target string) string {
	return filepath.Join(filepath.Dir(target), ".tower-"+rand.Text())
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
