package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/towerkit/tower/internal/private"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A compaction copies the file key by key into a new one, in parts, while commits go on. The
// keys that are written meanwhile are noted, and copied again: each time as they are then, so
// the new file is of no moment until the last of them are copied. That happens while the
// writer waits. Then the new file takes the place of the old one, by its name. A crash
// leaves the old file under the name, or the new one with every commit.

// Compacted tells what a compaction has done to the size of the file, in bytes.
type Compacted struct{ Before, After int64 }

const (
	compactFill  = 0.9     // how full the pages of the new file are
	compactPart  = 4 << 20 // bytes that are copied in one transaction of each file
	compactKeys  = 20_000  // most keys in a part, and about the most that are noted meanwhile
	compactFew   = 500     // keys that may be left for when the writer waits
	compactTimes = 10      // how often what was noted is copied before the writer waits in any case
)

func compactPath(path string) string { return path + ".compact" }

// Compact replaces the file by one without the pages that are no longer used, while
// commits and reads go on. progress is called with about how many of the file's bytes have
// been copied. A crash or an error leaves the file as it was. It needs as much space again as
// the data takes. It cannot be done on Windows, where no open file can be replaced.
func (s *Store) Compact(ctx context.Context, progress func(done, total int64)) (Compacted, error) {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	c := &compaction{ctx: ctx, path: s.path, most: s.compactKeys, closing: s.closing, read: s.read, progress: progress}
	err := s.guarded(func() error { return s.compact(c) })
	if err != nil {
		return Compacted{}, errors.Join(fmt.Errorf("compact the store %s: %w", s.path, err), c.discard())
	}
	return c.sizes, nil
}

func (s *Store) compact(c *compaction) error {
	if err := c.open(openShared); err != nil {
		return err
	}
	if _, err := s.takeTouched(true); err != nil {
		return err
	}
	defer func() {
		if s.Err() == nil { // else a transaction may still hold bbolt's locks
			_, _ = s.takeTouched(false) // it fails if the store is closed
		}
	}()
	again := func() (n int, err error) {
		noted, err := s.takeTouched(true)
		if err != nil {
			return 0, err
		}
		return noted.count(), c.copyAgain(noted)
	}
	c.parted = func() error {
		if s.noted.Load() < int64(c.most) {
			return nil
		}
		_, err := again()
		return err
	}
	if err := c.copyAll(nil); err != nil {
		return err
	}
	for range compactTimes {
		if n, err := again(); err != nil {
			return err
		} else if n < compactFew {
			break
		}
	}
	if err := c.next.Sync(); err != nil { // so that little is left for when the writer waits
		return err
	}
	if _, err := again(); err != nil {
		return err
	}
	old, err := s.swap(c)
	if err != nil {
		return err
	}
	return old.Close() // waits for those who read it
}

// swap copies what is left while no transaction of the file writes, and has the new file
// take the place of the old one, which it returns.
func (s *Store) swap(c *compaction) (*bolt.DB, error) {
	btx, err := s.begin(true)
	if err != nil {
		return nil, err
	}
	defer btx.Rollback()
	old := s.db.Load()
	c.next.NoSync = false
	if err := c.copyAgain(s.touched); err != nil {
		return nil, err
	}
	c.next.NoSync, c.next.MaxSize = old.NoSync, old.MaxSize
	if err := c.rename(); err != nil {
		return nil, err
	}
	s.db.Store(c.next)
	c.next = nil
	return old, nil
}

// Compact is like [Store.Compact], of a file that is open by itself.
func (f *File) Compact(ctx context.Context, progress func(done, total int64)) (Compacted, error) {
	c := &compaction{ctx: ctx, path: f.path, most: compactKeys, read: f.db.View, progress: progress, parted: func() error { return nil }}
	err := f.guarded(func() error {
		if err := c.open(os.OpenFile); err != nil {
			return err
		}
		if err := c.copyAll(nil); err != nil {
			return err
		}
		if err := c.next.Sync(); err != nil {
			return err
		}
		c.next.NoSync = false
		if err := c.rename(); err != nil {
			return err
		}
		old := f.db
		f.db, c.next = c.next, nil
		return old.Close()
	})
	if err != nil {
		return Compacted{}, errors.Join(fmt.Errorf("compact the store %s: %w", f.path, err), c.discard())
	}
	return c.sizes, nil
}

type compaction struct {
	ctx      context.Context
	path     string
	most     int           // keys in a part
	closing  chan struct{} // closed if it must end; nil: never
	read     func(func(*bolt.Tx) error) error
	parted   func() error // called between two parts
	progress func(done, total int64)

	next  *bolt.DB // nil before it is open, and once it has taken the place
	done  int64
	sizes Compacted
}

// open makes the new file, which has the owner and the mode of the old one.
func (c *compaction) open(openFile func(string, int, os.FileMode) (*os.File, error)) error {
	info, err := os.Lstat(c.path)
	if err != nil {
		return err
	}
	c.sizes.Before = info.Size()
	if err := removeCompacted(c.path); err != nil {
		return err
	}
	c.next, err = bolt.Open(compactPath(c.path), 0o600, &bolt.Options{
		Timeout: openTimeout, FreelistType: bolt.FreelistMapType, NoStatistics: true, NoSync: true, NoGrowSync: true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			file, err := openFile(path, flag|os.O_EXCL, mode)
			if err != nil {
				return nil, err
			}
			if err := private.Like(file, info); err != nil {
				return nil, errors.Join(err, file.Close())
			}
			return file, nil
		},
	})
	if err == nil {
		c.next.NoGrowSync = false
	}
	return err
}

// removeCompacted removes what a compaction has left that ended in a crash. The caller has
// the file at path open.
func removeCompacted(path string) error {
	if err := os.Remove(compactPath(path)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// discard removes the new file, unless it has taken the place of the old one.
func (c *compaction) discard() error {
	if c.next == nil {
		return nil
	}
	return errors.Join(c.next.Close(), removeCompacted(c.path))
}

func (c *compaction) rename() error {
	info, err := os.Lstat(compactPath(c.path))
	if err != nil {
		return err
	}
	c.sizes.After = info.Size()
	if err := os.Rename(compactPath(c.path), c.path); err != nil {
		return err
	}
	syncFolder(filepath.Dir(c.path))
	return nil
}

// A keyPath names a key of the file by the buckets that it is in, from the outermost.
type keyPath [][]byte

func (p keyPath) of(btx *bolt.Tx) *bolt.Bucket {
	bucket := btx.Bucket(p[0])
	for _, name := range p[1:] {
		bucket = bucket.Bucket(name)
	}
	return bucket
}

// copyAll copies the bucket at a path with the buckets in it; all buckets, if path is empty.
func (c *compaction) copyAll(path keyPath) error {
	var inner [][]byte
	err := c.read(func(btx *bolt.Tx) error {
		add := func(name []byte) error {
			inner = append(inner, bytes.Clone(name))
			return nil
		}
		if len(path) > 0 {
			return path.of(btx).ForEachBucket(add)
		}
		return btx.ForEach(func(name []byte, _ *bolt.Bucket) error { return add(name) })
	})
	for _, name := range inner {
		if err != nil {
			return err
		}
		err = c.copyBucket(append(slices.Clone(path), name))
	}
	return err
}

func (c *compaction) copyBucket(path keyPath) error {
	err := c.next.Update(func(btx *bolt.Tx) (err error) {
		if outer := path[:len(path)-1]; len(outer) > 0 {
			_, err = outer.of(btx).CreateBucket(path[len(path)-1])
		} else {
			_, err = btx.CreateBucket(path[0])
		}
		return err
	})
	var last []byte
	for more := true; more && err == nil; {
		last, more, err = c.copyPart(path, last)
	}
	if err != nil {
		return err
	}
	return c.copyAll(path)
}

// copyPart copies the keys of a bucket that come after last, as many as one part takes. It
// returns the last one that it has copied.
func (c *compaction) copyPart(path keyPath, last []byte) (_ []byte, more bool, err error) {
	if err := c.ended(); err != nil {
		return nil, false, err
	}
	var keys, values [][]byte
	var total, size int64
	err = c.read(func(btx *bolt.Tx) error {
		total = btx.Size()
		cursor := path.of(btx).Cursor()
		k, v := cursor.Seek(last)
		if last != nil && bytes.Equal(k, last) {
			k, v = cursor.Next()
		}
		for ; k != nil && size < compactPart && len(keys) < c.most; k, v = cursor.Next() {
			if v != nil { // else it is a bucket
				keys, values = append(keys, bytes.Clone(k)), append(values, bytes.Clone(v))
			}
			last = bytes.Clone(k)
			size += int64(len(k) + len(v))
		}
		more = k != nil
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	err = c.next.Update(func(btx *bolt.Tx) error {
		bucket := path.of(btx)
		bucket.FillPercent = compactFill
		for i := range keys {
			if err := bucket.Put(keys[i], values[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	c.done += size
	c.progress(min(c.done, total), total)
	return last, more, c.parted()
}

// ended returns why the compaction must end, or nil.
func (c *compaction) ended() error {
	select {
	case <-c.closing:
		return ErrClosed
	default:
		return context.Cause(c.ctx)
	}
}

// copyAgain copies keys as they are now.
func (c *compaction) copyAgain(keys touched) error {
	if err := c.ended(); err != nil {
		return err
	}
	return c.read(func(from *bolt.Tx) error {
		return c.next.Update(func(to *bolt.Tx) error {
			for name, keys := range keys {
				from, to := from.Bucket([]byte(name)), to.Bucket([]byte(name))
				if to == nil { // its turn comes
					continue
				}
				to.FillPercent = compactFill
				for key := range keys {
					var err error
					if v := from.Get([]byte(key)); v != nil {
						err = to.Put([]byte(key), v)
					} else {
						err = to.Delete([]byte(key))
					}
					if err != nil {
						return err
					}
				}
			}
			return nil
		})
	})
}

// touched are keys that have been written, by bucket.
type touched map[string]map[string]struct{}

func (t touched) count() (n int) {
	for _, keys := range t {
		n += len(keys)
	}
	return n
}

// touch notes that a key is written, if a compaction wants to know. Its caller is in a
// transaction that writes the file.
func (s *Store) touch(bucket, key []byte) {
	if s.touched == nil {
		return
	}
	keys := s.touched[string(bucket)]
	if keys == nil {
		keys = map[string]struct{}{}
		s.touched[string(bucket)] = keys
	}
	keys[string(key)] = struct{}{}
	s.noted.Add(1)
}

// takeTouched returns the keys that finished transactions have written, and begins to note
// those of the next ones, or ends that.
func (s *Store) takeTouched(begin bool) (taken touched, err error) {
	btx, err := s.begin(true) // no transaction is in the middle of its writes
	if err != nil {
		return nil, err
	}
	defer btx.Rollback()
	taken, s.touched = s.touched, nil
	s.noted.Store(0)
	if begin {
		s.touched = touched{}
	}
	return taken, nil
}

// A bucket is one of the file's whose written keys are noted. Every bucket that is written
// while the store is open must be one, unless the writer has locked s.upkeep.
type bucket struct {
	*bolt.Bucket
	store *Store
	name  []byte
}

func (s *Store) bucket(btx *bolt.Tx, name []byte) bucket { return bucket{btx.Bucket(name), s, name} }

func (b bucket) Put(key, value []byte) error {
	b.store.touch(b.name, key)
	return b.Bucket.Put(key, value)
}

func (b bucket) Delete(key []byte) error {
	b.store.touch(b.name, key)
	return b.Bucket.Delete(key)
}

// begin begins a transaction of the file that has the name now: one that was replaced has
// no more commits.
func (s *Store) begin(writable bool) (*bolt.Tx, error) {
	for {
		db := s.db.Load()
		btx, err := db.Begin(writable)
		if s.db.Load() == db {
			if errors.Is(err, berrors.ErrDatabaseNotOpen) {
				err = ErrClosed
			}
			return btx, err
		}
		if err == nil {
			_ = btx.Rollback() // it has changed nothing
		}
	}
}

// openNamed opens the file at path. If the file that it has waited for is replaced
// meanwhile, it opens the one that has the name now.
func openNamed(path string, o bolt.Options, openFile func(string, int, os.FileMode) (*os.File, error)) (*bolt.DB, error) {
	for {
		var file *os.File
		o.OpenFile = func(path string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = openFile(path, flag, mode)
			return file, err
		}
		db, err := bolt.Open(path, 0o600, &o)
		if err != nil {
			return nil, err
		}
		opened, err := file.Stat()
		if err == nil {
			named, err2 := os.Stat(path)
			if err2 == nil && os.SameFile(opened, named) {
				return db, nil
			}
			err = err2
		}
		if err = errors.Join(err, db.Close()); err != nil {
			return nil, err
		}
	}
}
