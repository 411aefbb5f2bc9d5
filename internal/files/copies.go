package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/towerkit/tower/internal/archive"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// copiesFolder is where an archive has the chunks of files.
const copiesFolder = "files/"

// copyRetry is how long a copy that has failed waits.
const copyRetry = 30 * time.Second

// Copy copies all complete files to the archive, as they come, until ctx ends. A copy that fails is
// logged, and tried again.
func (f *Files) Copy(ctx context.Context) {
	var failed string
	for ctx.Err() == nil {
		err := f.copyAll(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, store.ErrClosed):
			return
		case errors.Is(err, store.ErrExpired): // it begins anew
			continue
		case err.Error() != failed:
			f.log.Error("files are not copied to the archive; it will be tried again", "archive", f.copies.String(), "error", err)
			failed = err.Error()
		}
		select {
		case <-ctx.Done():
		case <-time.After(copyRetry):
		}
	}
}

// copyAll copies what the archive lacks, and then what comes, until something fails.
func (f *Files) copyAll(ctx context.Context) error {
	newest := f.store.Seq()
	names, err := f.copies.List(ctx)
	if err != nil {
		return fmt.Errorf("list %s: %w", f.copies, err)
	}
	have := map[string]bool{}
	for _, name := range names {
		have[name] = true
	}
	err = f.each(ctx, f.table.Model, func(image *record.Image) error { return f.copyOne(ctx, image, have) })
	if err != nil {
		return err
	}
	for feed := f.store.Feed(newest); ; {
		commit, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		for i := range commit.Changes {
			if c := &commit.Changes[i]; c.Model == f.table.Model && c.After != nil {
				if err := f.copyOne(ctx, c.After, have); err != nil {
					return err
				}
			}
		}
	}
}

// copyOne copies the chunks of a complete file that the archive does not have.
func (f *Files) copyOne(ctx context.Context, image *record.Image, have map[string]bool) error {
	defer f.lock(image.ID)()
	e, err := f.Entry(ctx, image.ID) // as it is now: what is removed must not be copied any more
	if errors.Is(err, ErrGone) || err == nil && e.State != Stored {
		return nil
	}
	if err != nil {
		return err
	}
	for n, name := range e.chunks() {
		if have[copiesFolder+name] {
			continue
		}
		chunk, err := f.place.Get(ctx, name)
		if errors.Is(err, fs.ErrNotExist) { // it has been removed since
			continue
		}
		if err == nil {
			size := min(Chunk, e.Size-int64(n)*Chunk)
			err = errors.Join(f.copies.Put(ctx, copiesFolder+name, io.LimitReader(chunk, size), size), chunk.Close())
		}
		if err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
		have[copiesFolder+name] = true
	}
	return nil
}

// get opens a chunk, in the archive if the place has lost it: after a restore on another machine, say.
func (f *Files) get(ctx context.Context, name string) (io.ReadCloser, error) {
	chunk, err := f.place.Get(ctx, name)
	if f.copies == nil || !errors.Is(err, fs.ErrNotExist) {
		return chunk, err
	}
	return f.copies.Get(ctx, copiesFolder+name)
}

// delete removes chunks, in the archive too.
func (f *Files) delete(ctx context.Context, names ...string) error {
	for _, name := range names {
		places := map[string]archive.Place{name: f.place}
		if f.copies != nil {
			places[copiesFolder+name] = f.copies
		}
		for name, place := range places {
			if err := place.Delete(ctx, name); err != nil {
				return fmt.Errorf("delete %s of %s: %w", name, place, err)
			}
		}
	}
	return nil
}
