package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// An Entry is one commit as the log stores it, with the key of the call that it
// belongs to, if it was a call's first commit.
type Entry struct {
	Seq   uint64
	After uint64 // the commit before
	Data  []byte // the log entry
	Key   []byte // of the call
	Call  []byte // what is stored under Key
	Tag   uint64 // in a log that several stores share: random, of the store that appended it
}

// At returns the time of the commit.
func (e *Entry) At() time.Time { return entryTime(e.Data) }

// Entries returns the commits from on that the log has, in order: at least one if
// there is one, and no more than fit into budget bytes. It returns [ErrExpired] if the
// log starts later than from.
func (s *Store) Entries(from uint64, budget int) (entries []Entry, err error) {
	err = s.read(func(btx *bolt.Tx) (err error) {
		entries, err = readEntries(btx, from, readHead(btx).seq, budget)
		return err
	})
	return entries, err
}

func readEntries(btx *bolt.Tx, from, last uint64, budget int) (found []Entry, err error) {
	ages, keys, forks := btx.Bucket(agesBucket), btx.Bucket(keysBucket), readForks(btx)
	err = eachEntry(btx, forks, from, last, budget, func(seq uint64, entry []byte) (size int, err error) {
		e := Entry{Seq: seq, After: forks.Before(seq), Data: entry}
		if age := ages.Get(seqKey(seq)); len(age) > 8 {
			e.Key = bytes.Clone(age[8:])
			e.Call = bytes.Clone(keys.Get(e.Key))
		}
		found = append(found, e)
		return len(e.Data) + len(e.Call), nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// CopyTo calls begin with the number of the newest commit and the size of the file in
// bytes, and writes a copy of the file as of that commit to the writer that begin
// returns. Commits go on meanwhile, unless the file must grow: then they wait until the
// copy is written. So the writer must be fast, for example a file.
func (s *Store) CopyTo(begin func(seq uint64, size int64) (io.Writer, error)) error {
	return s.read(func(btx *bolt.Tx) error { return copyTo(btx, begin) })
}

func copyTo(btx *bolt.Tx, begin func(seq uint64, size int64) (io.Writer, error)) error {
	w, err := begin(readHead(btx).seq, btx.Size())
	if err != nil {
		return err
	}
	_, err = btx.WriteTo(w)
	return err
}

// A File is a store's file that is open without its models, so that it can be taken
// to another commit. No application can open it meanwhile. It is not safe for
// concurrent use.
type File struct {
	db   *bolt.DB
	path string
}

// State describes a file.
type State struct {
	Epoch string
	Seq   uint64    // of the newest commit
	At    time.Time // of the newest commit; zero if the log is empty
	Start uint64    // of the log: the oldest commit in it, or the next one if it is empty
}

// OpenFile opens the file of a store. If a process has the file open, it returns an
// [*InUseError].
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	err := f.guarded(func() (err error) {
		f.db, err = openNamed(path, bolt.Options{Timeout: openTimeout, FreelistType: bolt.FreelistMapType, NoStatistics: true}, os.OpenFile)
		if err != nil {
			return err
		}
		return f.db.View(func(btx *bolt.Tx) error {
			meta := btx.Bucket(metaBucket)
			if meta == nil {
				return errors.New("it is not a store")
			}
			return readsFormat(meta)
		})
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, inUseError(path)
	}
	if err != nil {
		if f.db != nil {
			err = errors.Join(err, f.db.Close())
		}
		return nil, fmt.Errorf("open the store %s: %w", path, err)
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.db.Close() }

// guarded runs fn and returns damage that it meets as an error.
func (f *File) guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file %s is damaged: %v", f.path, r)
		}
	}()
	return fn()
}

// Entries returns commits of the log, like [Store.Entries].
func (f *File) Entries(from uint64, budget int) (entries []Entry, err error) {
	err = f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) (err error) {
			entries, err = readEntries(btx, from, readHead(btx).seq, budget)
			return err
		})
	})
	return entries, err
}

// Calls calls fn with each call that the file knows to have taken effect, in the order of their
// keys, with the time of its commit. The bytes are valid until fn returns.
func (f *File) Calls(ctx context.Context, fn func(key, call []byte, at time.Time) error) error {
	return f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) error {
			ages := btx.Bucket(agesBucket)
			return btx.Bucket(keysBucket).ForEach(func(k, v []byte) error {
				applied := decodeApplied(v)
				if applied == nil {
					return fmt.Errorf("the call %x: %w", k, errShort)
				}
				age := ages.Get(seqKey(applied.Seq))
				if len(age) < 8 {
					return fmt.Errorf("the call %x has no age", k)
				}
				return errors.Join(fn(k, v, entryTime(age)), ctx.Err())
			})
		})
	})
}

// Marks returns the marks of the file as the records that a shared log has of them, which are
// written by a commit. See [Marks].
func (f *File) Marks(m *record.Model, seq uint64) (images []*record.Image, err error) {
	err = f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) error {
			return btx.Bucket(marksBucket).ForEach(func(k, v []byte) error {
				if len(v) < 8 {
					return fmt.Errorf("the mark %q: %w", k, errShort)
				}
				image, err := imageOfMark(m, string(k), entryTime(v), v[8:])
				if err == nil {
					images = append(images, image.WithVersion(seq))
				}
				return err
			})
		})
	})
	return images, err
}

// Detach makes a file that is the replica of a shared log a store of its own, with the same
// history.
func (f *File) Detach() error {
	return f.guarded(func() error {
		return f.db.Update(func(btx *bolt.Tx) error {
			h := readHead(btx)
			h.tag = 0
			return errors.Join(btx.Bucket(metaBucket).Delete(replicaKey), h.write(btx), detachMarks(btx))
		})
	})
}

// State returns the state of the file.
func (f *File) State() (State, error) {
	var state State
	err := f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) error {
			h := readHead(btx)
			state = State{Epoch: string(btx.Bucket(metaBucket).Get(epochKey)), Seq: h.seq, Start: logStart(btx, h)}
			log := btx.Bucket(logBucket)
			if k, _ := log.Cursor().Last(); k != nil {
				state.At = entryTime(log.Get(k[:8]))
			}
			return nil
		})
	})
	return state, err
}

// Models returns the names of the models that the file has records of, in order.
func (f *File) Models() (models []string, err error) {
	err = f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) error {
			return btx.ForEach(func(name []byte, records *bolt.Bucket) error {
				if model, of := bytes.CutPrefix(name, []byte(recordsPrefix)); of {
					models = append(models, string(model))
				}
				return nil
			})
		})
	})
	return models, err
}

// Each calls fn with each record of a model, in the order of their ids. The bytes of a row
// are valid until fn returns.
func (f *File) Each(ctx context.Context, model string, fn func(Row) error) error {
	return f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) error {
			records := btx.Bucket([]byte(recordsPrefix + model))
			if records == nil {
				return fmt.Errorf("there are no records of %q", model)
			}
			return records.ForEach(func(k, v []byte) error {
				row, err := storedRow(record.ID(k), v)
				if err == nil {
					err = fn(row)
				}
				return errors.Join(err, ctx.Err())
			})
		})
	})
}

// CopyTo writes a copy of the file, like [Store.CopyTo].
func (f *File) CopyTo(begin func(seq uint64, size int64) (io.Writer, error)) error {
	return f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) error { return copyTo(btx, begin) })
	})
}

// SeqAt returns the number of the newest commit that is not later than at. It returns
// [ErrExpired] if the log starts later.
func (f *File) SeqAt(at time.Time) (uint64, error) {
	var found uint64
	err := f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) error {
			cursor := btx.Bucket(logBucket).Cursor()
			for k, v := cursor.Last(); k != nil; k, v = cursor.Prev() {
				if !isFirstPiece(k) {
					continue
				}
				found = binary.BigEndian.Uint64(k)
				if !entryTime(v).After(at) {
					return nil
				}
			}
			if found == 1 || readHead(btx).seq == 0 { // nothing was there yet
				found = 0
				return nil
			}
			return fmt.Errorf("the log starts after %s: %w", at.UTC().Format(time.RFC3339), ErrExpired)
		})
	})
	return found, err
}

const rawGroup = 8 << 20 // bytes of log entries that one transaction of the file takes

// Rewind takes the file back to the state after the commit seq, by the images in its
// log. It returns [ErrExpired] if the log does not reach back that far. progress is
// called with the commits that are left.
func (f *File) Rewind(ctx context.Context, seq uint64, progress func(left uint64)) error {
	state, err := f.State()
	switch {
	case err != nil:
		return err
	case seq > state.Seq:
		return fmt.Errorf("there is no commit %d, the newest is %d", seq, state.Seq)
	case seq+1 < state.Start:
		return expired(seq + 1)
	}
	for left := state.Seq - seq; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := f.guarded(func() error {
			return f.db.Update(func(btx *bolt.Tx) (err error) {
				left, err = rewind(btx, seq)
				return err
			})
		})
		if err != nil {
			return fmt.Errorf("take the file back to commit %d: %w", seq, err)
		}
		progress(left)
	}
	return nil
}

// rewind undoes the newest commits after seq, as many as one transaction takes. It
// returns how many are left.
func rewind(btx *bolt.Tx, seq uint64) (left uint64, err error) {
	h, log := readHead(btx), btx.Bucket(logBucket)
	ages, keys := btx.Bucket(agesBucket), btx.Bucket(keysBucket)
	for size := 0; h.seq > seq && size < rawGroup; h.seq-- {
		k := seqKey(h.seq)
		entry := readEntry(btx, h.seq)
		if entry == nil {
			return 0, expired(h.seq)
		}
		changes, err := rawChanges(entry)
		if err != nil {
			return 0, fmt.Errorf("commit %d: %w", h.seq, err)
		}
		for i := len(changes) - 1; i >= 0; i-- {
			if err := changes[i].put(btx, changes[i].before); err != nil {
				return 0, err
			}
		}
		size += len(entry)
		h.bytes -= uint64(len(entry))
		if age := ages.Get(k); len(age) > 8 {
			if err := errors.Join(keys.Delete(bytes.Clone(age[8:])), ages.Delete(k)); err != nil {
				return 0, err
			}
		}
		if err := deleteEntry(log, h.seq); err != nil {
			return 0, err
		}
	}
	return h.seq - seq, h.write(btx)
}

// Append adds commits to the file, which follow its newest one.
func (f *File) Append(entries []Entry) error {
	return f.guarded(func() error {
		return f.db.Update(func(btx *bolt.Tx) error {
			h := readHead(btx)
			// A long entry is put in pieces, which the earlier format does not have.
			if err := btx.Bucket(metaBucket).Put(formatKey, []byte(format)); err != nil {
				return err
			}
			for i := range entries {
				if err := appendEntry(btx, &h, &entries[i]); err != nil {
					return fmt.Errorf("add commit %d: %w", entries[i].Seq, err)
				}
			}
			return h.write(btx)
		})
	})
}

func appendEntry(btx *bolt.Tx, h *head, e *Entry) error {
	if e.Seq != h.seq+1 {
		return fmt.Errorf("the newest commit is %d", h.seq)
	}
	changes, err := rawChanges(e.Data)
	if err != nil {
		return err
	}
	for i := range changes {
		if err := changes[i].put(btx, changes[i].after); err != nil {
			return err
		}
	}
	h.seq = e.Seq
	return logEntry(btx, h, e)
}

// logEntry puts a commit into the log, with the key of its call, and counts its bytes.
func logEntry(btx *bolt.Tx, h *head, e *Entry) error {
	if len(e.Key) > 0 && len(e.Call) > 0 {
		age := append(bytes.Clone(e.Data[:8]), e.Key...)
		if err := errors.Join(btx.Bucket(keysBucket).Put(e.Key, e.Call), btx.Bucket(agesBucket).Put(seqKey(e.Seq), age)); err != nil {
			return err
		}
	}
	log := btx.Bucket(logBucket)
	log.FillPercent = appendFill
	h.bytes += uint64(len(e.Data))
	return putEntry(log, e.Seq, bytes.Clone(e.Data))
}

// Settle prepares a file that was restored for its application: it begins another
// history, so that clients which have seen commits that are gone read everything again,
// and leaves the indexes to be built when the store is opened.
func (f *File) Settle() (epoch string, err error) {
	epoch = string(record.NewID())
	err = f.guarded(func() error {
		return f.db.Update(func(btx *bolt.Tx) error {
			return errors.Join(settle(btx), btx.Bucket(metaBucket).Put(epochKey, []byte(epoch)))
		})
	})
	return epoch, err
}

// settle leaves all that follows from the records to be made again.
func settle(btx *bolt.Tx) error {
	var indexes [][]byte
	if err := btx.Bucket(schemaBucket).ForEach(func(k, _ []byte) error {
		if bytes.HasPrefix(k, []byte("indexes/")) {
			indexes = append(indexes, bytes.Clone(k))
		}
		return nil
	}); err != nil {
		return err
	}
	for _, name := range indexes {
		if err := drop(btx, name); err != nil {
			return err
		}
	}
	return unsettleRecords(btx)
}

// unsettleRecords has the records of every model split and examined again when the
// store is opened: they may be of another time than what the file says of them.
func unsettleRecords(btx *bolt.Tx) error {
	schema := btx.Bucket(schemaBucket)
	var buckets, surveys [][]byte
	if err := btx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if bytes.HasPrefix(name, []byte(recordsPrefix)) {
			buckets = append(buckets, bytes.Clone(name))
		}
		return nil
	}); err != nil {
		return err
	}
	if err := schema.ForEach(func(k, _ []byte) error {
		if bytes.HasPrefix(k, []byte(fitsPrefix)) {
			surveys = append(surveys, bytes.Clone(k))
		}
		return nil
	}); err != nil {
		return err
	}
	for _, k := range buckets {
		if err := schema.Put(k, []byte(unknownSignature)); err != nil {
			return err
		}
	}
	for _, k := range surveys {
		if err := schema.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// unknownSignature is that of records of unknown fields. It has no public field.
const unknownSignature = ";"

// A rawChange is a change of a log entry as it is stored. Its slices are the entry's.
type rawChange struct {
	op            Op
	model, id     []byte
	before, after []byte // nil: no record
}

// put makes the record in the file data; nil removes it.
func (c *rawChange) put(btx *bolt.Tx, data []byte) error {
	bucket, err := btx.CreateBucketIfNotExists(append([]byte(recordsPrefix), c.model...))
	if err != nil {
		return err
	}
	bucket.FillPercent = recordFill
	if data == nil {
		return bucket.Delete(bytes.Clone(c.id))
	}
	return bucket.Put(bytes.Clone(c.id), bytes.Clone(data))
}

// rawChanges returns the changes of a log entry.
func rawChanges(entry []byte) ([]rawChange, error) {
	d := decoder{rest: entry}
	d.take(8)
	d.text()
	var changes []rawChange
	for n := d.number(); n > 0 && d.err == nil; n-- {
		changes = append(changes, d.raw())
	}
	return changes, d.err
}
