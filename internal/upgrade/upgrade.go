// Package upgrade moves an application to another version of tower: the one of the command
// that upgrades. It builds the application with that version first, beside the files that
// are there, and replaces them only if that succeeds.
package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"

	"github.com/towerkit/tower/internal/private"
	"github.com/towerkit/tower/internal/vendored"
	"github.com/towerkit/tower/scaffolds"
)

const towerModule = "github.com/towerkit/tower"

// Options say which application to upgrade, and to what.
type Options struct {
	Folder   string // of the application, absolute
	Required string // the version of tower in its go.mod
	Replaced string // the folder that its go.mod replaces tower by; "" without

	Version string   // the release to require; "" for a copy of Source
	Source  string   // the source of tower that the command was built from, absolute
	Modules []string // of the modules that tower requires, those that an application needs

	// Force also replaces a copy that was changed by hand, and also upgrades an application
	// that cannot be built with the new version.
	Force bool

	Environ  []string          // of the go command
	Progress func(text string) // is called with what takes long

	// Derive starts the application with an environment and an empty store, and plans those
	// of its files that follow from its code. The error is [ErrRunning] if the application
	// is running already.
	Derive func(ctx context.Context, environ []string) (*scaffolds.Plan, error)
}

// ErrRunning is the error for an application that runs already.
var ErrRunning = errors.New("the application is running")

// An UnfitError is the reason why an application cannot be used with the new version.
type UnfitError struct {
	Doing  string // "build the application"
	Output string
}

func (e *UnfitError) Error() string { return "cannot " + e.Doing + " with the new tower" }

// An Upgrade is prepared: the new version, and all that would be written, are in folders
// that nothing else uses.
type Upgrade struct {
	Report

	options      Options
	copy         *vendored.Copy  // nil if tower is not copied
	dropped      bool            // the copy in the application is not needed any more
	trial        string          // the folder of the go.mod that the application is tried with
	mod, sum     []byte          // before
	newMod, news []byte          // after
	derived      *scaffolds.Plan // nil: none
}

// Prepare plans an upgrade and tries it: it builds and vets the application, and starts it.
// It changes no file of the application. Call Close.
func Prepare(ctx context.Context, o Options) (u *Upgrade, err error) {
	u = &Upgrade{options: o}
	if err := u.check(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, u.Close())
		}
	}()
	if u.trial, err = private.Temp("tower-upgrade-"); err != nil {
		return u, fmt.Errorf("upgrade: %w", err)
	}
	source := o.Source
	if o.Version != "" {
		if source, err = u.download(ctx, o.Version); err != nil {
			return u, err
		}
	} else if u.carries() || o.Replaced == "" {
		if u.copy, err = vendored.Make(o.Source, o.Folder); err != nil {
			return u, err
		}
	}
	if err := u.compare(ctx, source); err != nil {
		return u, err
	}
	if err := u.planModules(ctx, source); err != nil {
		return u, err
	}
	if u.UpToDate() {
		return u, nil
	}
	err = u.try(ctx)
	if unfit := (*UnfitError)(nil); o.Force && errors.As(err, &unfit) {
		u.Unfit, err = unfit, nil
	}
	return u, err
}

// carries reports whether the application has a copy of tower.
func (u *Upgrade) carries() bool { return u.options.Replaced == vendored.Path(u.options.Folder) }

// check returns an error if the application cannot be upgraded at all.
func (u *Upgrade) check() error {
	o := &u.options
	switch {
	case o.Version != "" && u.carries():
		u.dropped = true
	case o.Version != "" && o.Replaced != "":
		return fmt.Errorf("go.mod replaces tower by %s; remove that line to require %s", o.Replaced, o.Version)
	case o.Version != "" && semver.Compare(o.Version, o.Required) < 0:
		return fmt.Errorf("the application requires tower %s, and this command is %s, which is older", o.Required, o.Version)
	case o.Version != "":
	case o.Source == "":
		return errors.New("the source that this command was built from is not there, and it is no release")
	case o.Replaced == "":
		return fmt.Errorf("the application requires tower %s, and this command is no release", o.Required)
	case !u.carries() && !sameFolder(o.Replaced, o.Source):
		return fmt.Errorf("go.mod replaces tower by %s, and this command was built from %s", o.Replaced, o.Source)
	}
	if u.carries() && !o.Force {
		return vendored.Check(o.Folder)
	}
	return nil
}

func sameFolder(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// planModules makes the go.mod and the go.sum that the application will have. They name
// the copy that is not in its place yet.
func (u *Upgrade) planModules(ctx context.Context, source string) (err error) {
	mod, text, err := readMod(u.options.Folder)
	if err != nil {
		return err
	}
	u.mod = text
	if u.sum, err = readIfThere(filepath.Join(u.options.Folder, "go.sum")); err != nil {
		return fmt.Errorf("read go.sum: %w", err)
	}
	theirs, _, err := readMod(source)
	if err != nil {
		return err
	}
	sums, err := readIfThere(filepath.Join(source, "go.sum"))
	if err != nil {
		return fmt.Errorf("read the go.sum of tower: %w", err)
	}
	if u.copy != nil {
		err = vendored.Use(mod, u.copy.Folder)
	} else if u.options.Version != "" {
		err = requireRelease(mod, u.options.Version)
	}
	if err == nil {
		err = requireModules(mod, theirs, u.options.Modules)
	}
	if err != nil {
		return fmt.Errorf("write go.mod: %w", err)
	}
	if err := u.writeTrial(mod, joinSums(u.sum, sums)); err != nil {
		return err
	}
	if u.options.Version != "" {
		if err := u.goCommand(ctx, "complete go.mod", "mod", "tidy"); err != nil {
			return err
		}
	}
	return u.readTrial()
}

func (u *Upgrade) writeTrial(mod *modfile.File, sum []byte) error {
	text, err := mod.Format()
	if err == nil {
		err = os.WriteFile(u.trialMod(), text, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(u.trial, "go.sum"), sum, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write go.mod: %w", err)
	}
	return nil
}

func (u *Upgrade) trialMod() string { return filepath.Join(u.trial, "go.mod") }

// readTrial reads the go.mod and go.sum that the application is tried with, in which the
// go command may have added something.
func (u *Upgrade) readTrial() (err error) {
	mod, text, err := readMod(u.trial)
	if err != nil {
		return err
	}
	u.newMod = text
	if u.copy != nil {
		if err := vendored.Use(mod, "./"+scaffolds.Vendored); err != nil {
			return fmt.Errorf("write go.mod: %w", err)
		}
		mod.Cleanup()
		if u.newMod, err = mod.Format(); err != nil {
			return fmt.Errorf("write go.mod: %w", err)
		}
	}
	if u.news, err = readIfThere(filepath.Join(u.trial, "go.sum")); err != nil {
		return fmt.Errorf("read go.sum: %w", err)
	}
	return u.describeModules()
}

// Close removes what Prepare has made.
func (u *Upgrade) Close() error {
	var errs []error
	if u.copy != nil {
		errs = append(errs, u.copy.Discard())
	}
	if u.trial != "" {
		errs = append(errs, os.RemoveAll(u.trial))
	}
	return errors.Join(errs...)
}
