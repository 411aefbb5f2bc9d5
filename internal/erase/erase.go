package erase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An Archive is where the commits of a store are copied to.
type Archive interface {
	Place() string
	// Renew replaces everything in it by one backup of the store as it is.
	Renew(ctx context.Context) (removed int, err error)
	// Search calls fn with the plain content of each file.
	Search(ctx context.Context, fn func(name string, content io.Reader) error) error
}

// Uploads are the files of an application.
type Uploads interface {
	// UploadedBy returns the files that a user has uploaded and that no record has.
	UploadedBy(ctx context.Context, user record.ID) ([]record.ID, error)
	// DropUnused removes those of the files that no record has, from the archive too.
	DropUnused(ctx context.Context, ids []record.ID) error
}

// uploads returns the files that a user has uploaded and that no record has.
func (o *Options) uploads(ctx context.Context, k record.Key) ([]record.ID, error) {
	if o.Uploads == nil {
		return nil, nil
	}
	return o.Uploads.UploadedBy(ctx, k.ID)
}

// belongings returns what is erased with a record: also the sessions and tokens of a user.
func (o *Options) belongings(ctx context.Context, tx *store.Tx, k record.Key) (store.Belongings, error) {
	b, err := tx.Belongings(ctx, k)
	if err != nil || o.Sessions == nil {
		return b, err
	}
	sessions, err := o.Sessions(ctx, tx, k.ID)
	b.Deleted = append(b.Deleted, sessions...)
	return b, err
}

// mostAtOnce is how many records one commit deletes or changes.
const mostAtOnce = 5000

// Run erases a record, and returns the proof that it is gone. After an error, Run must be called
// again: what it has done stays.
func Run(ctx context.Context, s *store.Store, k record.Key, o Options) (_ *Proof, err error) {
	if _, err := NewPlan(ctx, s, k, o); err != nil {
		return nil, err
	}
	j, err := openJournal(o.Data, k.Model.Name+"/"+string(k.ID))
	if err != nil {
		return nil, err
	}
	complete := false
	defer func() { err = errors.Join(err, j.close(complete)) }()
	e := &erasure{Options: o, store: s, root: k, journal: j}
	for _, step := range [...]struct {
		name string
		do   func(context.Context) error
	}{
		{"deleting records", e.deleteAll},
		{"removing their files", e.dropContent},
		{"forgetting the log", e.forget},
		{"compacting the file", e.compact},
		{"removing files", e.removeFiles},
		{"renewing the archive", e.renew},
		{"searching", e.prove},
	} {
		o.Step(step.name)
		if err := step.do(ctx); err != nil {
			return nil, err
		}
	}
	complete = true
	return &e.proof, nil
}

type erasure struct {
	Options
	store   *store.Store
	root    record.Key
	journal *journal
	proof   Proof
}

// deleteAll deletes the record and what belongs to it: in several commits if that is much, the
// record itself with the last of it.
func (e *erasure) deleteAll(ctx context.Context) error {
	for {
		done := false
		_, err := e.store.Update(ctx, e.By, func(tx *store.Tx) error {
			_, err := tx.Get(e.root.Model, e.root.ID)
			if errors.Is(err, store.ErrNotFound) {
				done = true
				return nil
			}
			if err != nil {
				return err
			}
			b, err := e.belongings(ctx, tx, e.root)
			if err != nil {
				return err
			}
			if len(b.Refused) > 0 {
				return b.Refused[0]
			}
			erased, err := tx.Erase(firstOf(b))
			if err != nil {
				return err
			}
			return e.journal.add(erased)
		})
		if err != nil || done {
			return err
		}
	}
}

// dropContent removes the content of the files that only the deleted records had, and of the user's uploads.
func (e *erasure) dropContent(ctx context.Context) error {
	if e.Options.Uploads == nil {
		return nil
	}
	ids, err := e.uploads(ctx, e.root)
	if err != nil {
		return err
	}
	for _, id := range e.journal.Files {
		ids = append(ids, record.ID(id))
	}
	return e.Options.Uploads.DropUnused(ctx, ids)
}

// firstOf returns as much of b as one commit takes: of the records the last ones.
func firstOf(b store.Belongings) store.Belongings {
	if len(b.Cleared) > mostAtOnce {
		return store.Belongings{Cleared: b.Cleared[:mostAtOnce]}
	}
	if more := len(b.Deleted) + len(b.Cleared) - mostAtOnce; more > 0 {
		b.Deleted = b.Deleted[min(more, len(b.Deleted)):]
	}
	return b
}

// forget removes the commits up to now from the log, once clients have received them.
func (e *erasure) forget(ctx context.Context) error {
	seq := e.store.Seq()
	if err := e.Delivered(ctx, seq); err != nil {
		return err
	}
	n, err := e.needles(ctx)
	if err != nil {
		return err
	}
	return e.store.Forget(seq, n.in)
}

func (e *erasure) compact(ctx context.Context) error {
	_, err := e.store.Compact(ctx, func(int64, int64) {})
	return err
}

// removeFiles removes older states of the store, and saved cases that have something of the
// records.
func (e *erasure) removeFiles(ctx context.Context) error {
	files, err := e.files()
	if err != nil {
		return err
	}
	n, err := e.needles(ctx)
	if err != nil {
		return err
	}
	for _, path := range e.cases() {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if n.in(text) {
			files = append(files, path)
		}
	}
	for _, path := range files {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		e.proof.Removed = append(e.proof.Removed, path)
	}
	return nil
}

// cases returns the divergences that were saved beside the store.
func (e *erasure) cases() []string {
	paths, _ := filepath.Glob(filepath.Join(filepath.Dir(e.Data), "divergences", "*.json")) // the pattern is valid
	return paths
}

func (e *erasure) renew(ctx context.Context) error {
	if e.Archive == nil {
		return nil
	}
	removed, err := e.Archive.Renew(ctx)
	e.proof.Replaced = removed
	if err != nil {
		return fmt.Errorf("renew the archive: %w", err)
	}
	return nil
}
