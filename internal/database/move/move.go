// Package move moves the data of an application from a file into a database that nodes share,
// and back. The history stays the same: its epoch, the numbers of its commits, and what is
// known of calls. So clients resume as after a restart.
package move

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/database/driver"
	"github.com/towerkit/tower/internal/migrate"
	"github.com/towerkit/tower/internal/store"
)

// Into copies the file at path into an empty database, and compares both. It opens the file as
// the build does that o describes; no application may have it open. If it fails, the database
// is as it was.
func Into(ctx context.Context, o *migrate.Opening, path string, to driver.Options, say func(string)) (*driver.Comparison, error) {
	if driver.Load == nil {
		return nil, driver.Check()
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no data to copy: %s does not exist", path)
	}
	s, err := store.Open(path, o.Options(ctx)) // in line with the models
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		return nil, stopFirst(err)
	}
	file, err := store.OpenFile(path)
	if err != nil {
		return nil, stopFirst(err)
	}
	compared, err := driver.Load(ctx, to, file, o.Models, seldom(say))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("copy into the database, which is as it was: %w", err)
	}
	return compared, nil
}

func stopFirst(err error) error {
	if used := new(store.InUseError); errors.As(err, &used) {
		return fmt.Errorf("%w: stop it first, so that it writes nothing which the copy lacks", err)
	}
	return err
}

// Out copies what is in a database to a new file at path, and compares both. No node may run.
// Until all is there the file has another name, and an earlier one of that name is replaced.
func Out(ctx context.Context, o *migrate.Opening, open func(context.Context, *slog.Logger) (driver.Log, error), path string, say func(string)) (compared *driver.Comparison, err error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s exists: give another name, or remove it first", path)
	}
	opened, err := open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	log, is := opened.(driver.Database)
	if !is {
		return nil, errors.New("the log that the nodes share is in no database")
	}
	switch running, err := log.Running(ctx); {
	case err != nil:
		return nil, err
	case running > 0:
		return nil, fmt.Errorf("%d nodes run on the database, or did ten seconds ago: stop them first, so that they write nothing which the copy lacks", running)
	}
	unfinished := path + ".copying"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if compared, err = fill(ctx, o, log, unfinished, say); err != nil {
		return nil, errors.Join(fmt.Errorf("copy the database: %w", err), remove(unfinished))
	}
	return compared, os.Rename(unfinished, path)
}

// fill makes a file of what is in a database.
func fill(ctx context.Context, o *migrate.Opening, log driver.Database, path string, say func(string)) (*driver.Comparison, error) {
	options := o.Options(ctx)
	options.Log, options.Say = log, func(progress string) {
		say(strings.Replace(progress, "building the replica of the shared log", "copying", 1))
	}
	s, err := store.Open(path, options)
	if err != nil {
		return nil, err
	}
	err = s.Adopt(ctx)
	var compared *driver.Comparison
	if err == nil {
		say("comparing")
		compared, err = log.Compare(ctx, s)
	}
	if err = errors.Join(err, s.Close(), ctx.Err()); err != nil {
		return nil, err
	}
	if len(compared.Differences) > 0 {
		return nil, fmt.Errorf("the copy differs:\n  %s", strings.Join(compared.Differences, "\n  "))
	}
	file, err := store.OpenFile(path)
	if err != nil {
		return nil, err
	}
	return compared, errors.Join(file.Detach(), file.Close())
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// seldom returns a function that says something at most once a second.
func seldom(say func(string)) func(string) {
	var last time.Time
	return func(progress string) {
		if time.Since(last) > time.Second {
			last = time.Now()
			say(progress)
		}
	}
}
