package files

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Grace is how long a file stays that no record refers to: as long as a client may need to use
// what it has uploaded, and more.
const Grace = 48 * time.Hour

// A Sweeping says what [Files.Sweep] has done.
type Sweeping struct {
	Kept    int // files that something refers to, or may soon
	Marked  int // files that nothing refers to; the next sweep removes them
	Removed int // files
	Orphans int // chunks of no file
}

// Sweep removes the content that nothing refers to: no record, and no commit in the log, so that
// what is undone has its files. A file that nothing refers to is marked first, and removed by a
// sweep that finds it marked: a transaction that puts it into a record meanwhile takes the mark
// away. Uploads that are not continued, and chunks that are no part of a file, go after [Grace].
// Several processes may sweep at once.
func (f *Files) Sweep(ctx context.Context) (done Sweeping, err error) {
	names, err := f.place.List(ctx) // first, so that the records of all that is listed are there
	if err != nil {
		return done, fmt.Errorf("sweep files: list %s: %w", f.place, err)
	}
	chunks := map[record.ID][]string{}
	for _, name := range names {
		id, _, _ := strings.Cut(name, "/")
		chunks[record.ID(id)] = append(chunks[record.ID(id)], name)
	}
	var entries []Entry
	err = f.each(ctx, f.table.Model, func(image *record.Image) error {
		e, err := f.table.Of(image)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return done, fmt.Errorf("sweep files: %w", err)
	}
	used, err := f.referred(ctx)
	if err != nil {
		return done, fmt.Errorf("sweep files: %w", err)
	}
	if err := archive.SweepPartial(f.place, f.store.Now().Add(-Grace)); err != nil {
		return done, fmt.Errorf("sweep files: %w", err)
	}
	for i := range entries {
		for _, id := range entries[i].Variants {
			used[id] = true
		}
	}
	for i := range entries {
		e := &entries[i]
		if err := f.sweepOne(ctx, e, used[e.ID], chunks[e.ID], &done); err != nil {
			return done, fmt.Errorf("sweep the file %s: %w", e.ID, err)
		}
		delete(chunks, e.ID)
	}
	for id, names := range chunks {
		if !f.old(id) {
			continue
		}
		if err := f.delete(ctx, names...); err != nil {
			return done, fmt.Errorf("sweep files: %w", err)
		}
		done.Orphans += len(names)
	}
	return done, nil
}

// sweepOne decides about one file.
func (f *Files) sweepOne(ctx context.Context, e *Entry, used bool, names []string, done *Sweeping) error {
	since := f.store.Now().Sub(e.Changed)
	to := e.State
	switch {
	case e.State == Gone:
	case e.State == Receiving && since > Grace:
		to = Gone
	case e.State == Stored && !used && since > Grace:
		to = Unused
	case e.State == Unused && used:
		to = Stored
	case e.State == Unused && since > f.keep:
		to = Gone
	}
	if to != e.State {
		_, err := f.store.Update(ctx, author, func(tx *store.Tx) error {
			changed, err := f.change(tx, e.ID, func(now *Entry) error {
				if now.State != e.State || now.Stored != e.Stored {
					return errMoved
				}
				now.State = to
				return nil
			})
			e.Variants = changed.Variants
			return err
		})
		if errors.Is(err, errMoved) || errors.Is(err, store.ErrNotFound) {
			done.Kept++
			return nil
		}
		if err != nil {
			return err
		}
	}
	switch to {
	case Gone:
		done.Removed++
		return errors.Join(f.delete(ctx, names...), f.remove(ctx, e))
	case Unused:
		done.Marked++
	default:
		done.Kept++
	}
	if to == Receiving || since < Grace {
		return nil
	}
	own := map[string]bool{}
	for _, name := range e.chunks() {
		own[name] = true
	}
	var stray []string
	for _, name := range names {
		if !own[name] {
			stray = append(stray, name)
		}
	}
	done.Orphans += len(stray)
	return f.delete(ctx, stray...)
}

var errMoved = errors.New("the file has changed")

// old reports whether the record of an id, if there was one, is older than Grace.
func (f *Files) old(id record.ID) bool {
	made, err := ulid.ParseStrict(string(id))
	return err == nil && f.store.Now().Sub(ulid.Time(made.Time())) > Grace
}

// page is how many records are read at once.
const page = 500

// each calls fn with each record of a model, some at a time.
func (f *Files) each(ctx context.Context, m *record.Model, fn func(*record.Image) error) error {
	var last *record.Image
	for {
		var images []*record.Image
		err := f.store.View(ctx, func(snap *store.Snapshot) error {
			return snap.Scan(m, store.Range{After: last}, func(image *record.Image) bool {
				images = append(images, image)
				return len(images) < page
			})
		})
		if err != nil {
			return err
		}
		for _, image := range images {
			if err := fn(image); err != nil {
				return err
			}
		}
		if len(images) < page {
			return nil
		}
		last = images[len(images)-1]
	}
}

// A usage is which files something refers to.
type usage map[record.ID]bool

// note adds the files of a record.
func (u usage) note(m *record.Model, image *record.Image) {
	for _, field := range m.FileFields() {
		if file := image.File(field); file.ID != "" {
			u[file.ID] = true
		}
	}
}

// inRecords returns the files to which a record refers.
func (f *Files) inRecords(ctx context.Context) (usage, error) {
	used := usage{}
	for _, m := range f.store.Models() {
		if len(m.FileFields()) == 0 {
			continue
		}
		err := f.each(ctx, m, func(image *record.Image) error {
			used.note(m, image)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return used, nil
}

// referred returns the files to which a record or a commit in the log refers.
func (f *Files) referred(ctx context.Context) (usage, error) {
	newest := f.store.Seq()
	used, err := f.inRecords(ctx)
	if err != nil {
		return nil, err
	}
	for seq, feed := f.store.LogStart(), f.store.Feed(f.store.LogStart()-1); seq <= newest; {
		commit, err := feed.Next(ctx)
		if errors.Is(err, store.ErrExpired) { // it has been forgotten meanwhile
			seq = f.store.LogStart()
			feed = f.store.Feed(seq - 1)
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range commit.Changes {
			used.note(commit.Changes[i].Model, commit.Changes[i].Before)
			used.note(commit.Changes[i].Model, commit.Changes[i].After)
		}
		seq = commit.Seq + 1
	}
	return used, nil
}
