package files

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

// Files are the files of an application. It is safe for concurrent use.
type Files struct {
	store  *store.Store
	table  *typed.Table[Entry]
	place  archive.Place
	temp   string // folder of temporary files; "": the system's
	keep   time.Duration
	copies archive.Place // the archive; nil: none
	node   string        // names this process in the names of chunks
	log    *slog.Logger

	enqueue func(*store.Tx, Scaling) error

	mu   sync.Mutex
	busy map[record.ID]chan struct{} // files that are received, copied or removed
}

// Config says where files are kept.
type Config struct {
	Table  *typed.Table[Entry]
	Place  archive.Place
	Local  bool          // the place is a folder of this machine that nobody has chosen, and other nodes do not have
	Copies archive.Place // where each file is copied to; nil: nowhere
	Keep   time.Duration // how long a file stays after nothing refers to it any more

	// Enqueue creates the job that calls [Files.MakeVariants], unless there is one for that image.
	Enqueue func(*store.Tx, Scaling) error
}

// New returns the files of an application, before its store is open: see [Files.Open].
func New(config Config, log *slog.Logger) *Files {
	return &Files{table: config.Table, place: config.Place, keep: config.Keep, copies: config.Copies, log: log, enqueue: config.Enqueue, node: strings.ToLower(rand.Text()[:10]), busy: map[record.ID]chan struct{}{}}
}

// Use sets the store, before anything else is called but Attach.
func (f *Files) Use(s *store.Store) { f.store = s }

// lock waits until this process neither receives, copies nor removes a file.
func (f *Files) lock(id record.ID) (unlock func()) {
	for {
		f.mu.Lock()
		other, taken := f.busy[id]
		if !taken {
			mine := make(chan struct{})
			f.busy[id] = mine
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				delete(f.busy, id)
				f.mu.Unlock()
				close(mine)
			}
		}
		f.mu.Unlock()
		<-other
	}
}

// Entry returns the record of a file. The error is [ErrGone] if there is none.
func (f *Files) Entry(ctx context.Context, id record.ID) (e Entry, err error) {
	err = f.store.View(ctx, func(snap *store.Snapshot) error {
		image, err := snap.Get(f.table.Model, id)
		if err == nil {
			e, err = f.table.Of(image)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = ErrGone
	}
	return e, err
}

// Attach returns the problem of a file that a transaction puts into a field of a record, "" for none. The
// transaction is repeated if the file is removed meanwhile. It enqueues the job that makes the field's variants.
func (f *Files) Attach(tx *store.Tx, field *record.Field, file record.File) (problem string, err error) {
	e, _, err := f.table.Get(tx, file.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && e.State != Stored && e.State != Unused {
		return "is not there any more; choose it again", nil
	}
	if err != nil {
		return "", err
	}
	if e.Sum != file.Sum || e.Size != file.Size || e.Type != file.Type {
		return "is not as it was stored", nil
	}
	if e.State == Unused || e.Party != "" {
		_, err = f.change(tx, e.ID, func(e *Entry) error {
			e.State, e.Party = Stored, ""
			return nil
		})
	}
	if lacking := e.lacking(field.File.Variants); err == nil && len(lacking) > 0 {
		err = f.enqueue(tx, Scaling{e.ID, lacking})
	}
	return "", err
}

// Drop removes a file at once. Nothing may refer to it.
func (f *Files) Drop(ctx context.Context, id record.ID) error {
	var e Entry
	_, err := f.store.Update(ctx, author, func(tx *store.Tx) (err error) {
		e, err = f.change(tx, id, func(e *Entry) error {
			e.State = Gone
			return nil
		})
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = f.remove(ctx, &e)
	}
	if err != nil {
		return fmt.Errorf("remove the file %s: %w", id, err)
	}
	return nil
}

// DropUnused removes those of the files at once that no record has, though a commit in the log may.
func (f *Files) DropUnused(ctx context.Context, ids []record.ID) error {
	used, err := f.inRecords(ctx)
	if err != nil {
		return fmt.Errorf("remove files: %w", err)
	}
	for _, id := range ids {
		if !used[id] {
			if err := f.Drop(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// UploadedBy returns the files that a client has uploaded and that no record has.
func (f *Files) UploadedBy(ctx context.Context, party string) (ids []record.ID, err error) {
	at := &store.Bound{Value: record.StringValue(party)}
	err = f.store.View(ctx, func(snap *store.Snapshot) error {
		return snap.Scan(f.table.Model, store.Range{Index: f.table.Model.Field("party"), Min: at, Max: at}, func(image *record.Image) bool {
			ids = append(ids, image.ID)
			return true
		})
	})
	return ids, err
}

// remove removes the content of a file that is gone, its variants, and then its record.
func (f *Files) remove(ctx context.Context, e *Entry) error {
	defer f.lock(e.ID)()
	for _, id := range e.Variants {
		if id != "" {
			if err := f.Drop(ctx, id); err != nil {
				return err
			}
		}
	}
	names := append(e.chunks(), chunkName(e.ID, len(e.chunks()), f.node))
	if err := f.delete(ctx, names...); err != nil {
		return err
	}
	_, err := f.store.Update(ctx, author, func(tx *store.Tx) error { return tx.Delete(f.table.Model, e.ID) })
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Open returns the content of a complete file, and its entry. The error is [ErrGone] if there
// is no such file. ctx must last until the content is closed.
func (f *Files) Open(ctx context.Context, id record.ID) (io.ReadSeekCloser, Entry, error) {
	e, err := f.Entry(ctx, id)
	if err == nil && e.State != Stored && e.State != Unused {
		err = ErrGone
	}
	if err != nil {
		return nil, e, err
	}
	return &content{ctx: ctx, files: f, names: e.chunks(), size: e.Size}, e, nil
}

// Place returns the name of the place.
func (f *Files) Place() string { return f.place.String() }
