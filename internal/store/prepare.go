package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A migration does not change the records that an application serves. It prepares a
// second bucket beside them, row by row, while they go on changing: each prepared row has
// the version of the record that it was made from, so it is known which rows are stale.
// The place that a migration has reached is therefore in the rows themselves. When a
// build that has the migration opens the file, it prepares what is stale, and takes the
// prepared buckets over in the transaction that brings the indexes in line with its
// models: see [Cutover].

var (
	preparedBucket = []byte("prepared")
	preparedKey    = []byte("key") // what the prepared rows were made by
)

// A Table names the records of a model before and after a cutover. The names differ if
// the model is renamed.
type Table struct {
	From, To string
	Model    *record.Model // of the records after it; nil if no model of the store has them
	Indexes  []string      // the names of its indexes: see [Table.Of]
	Makes    []Table       // of the records that are made of these
	Made     bool          // its records are made of others: there are none before
}

// Of returns the table with the model that the records have after the cutover, or nil.
func (t Table) Of(m *record.Model) Table {
	t.Model = m
	if m != nil {
		for _, x := range newTable(m).indexes {
			t.Indexes = append(t.Indexes, string(x.bucket))
		}
	}
	return t
}

// A Row is a stored record, or what has been prepared of it.
type Row struct {
	ID      record.ID
	Version uint64 // of the record; 0 is a record that is gone
	Public  []byte
	Private []byte
	Record  any    // what Public and Private were encoded from, a *T that nobody changes; nil: decode them
	Entries []byte // what the table's indexes have of a prepared row: see [Table.Index]
	Made    []Made // the records that are made of a prepared row
}

// A Made is a record that is made of another one. If several make a record of one id, that
// of the first of them counts.
type Made struct {
	Table int // of the Makes of the table
	Row
}

// A Cutover replaces records by the rows that were prepared of them.
type Cutover struct {
	Key     string // what the rows were prepared by
	Tables  []Table
	Drop    []string // models whose records are deleted
	Done    []Done
	Effects []Effect // of what is done, and of what needs no migration
}

const (
	staleBytes = 1 << 20   // about the most bytes that Stale returns
	staleScan  = 1_000_000 // the most records that Stale looks at
)

// Stale returns the records after an id whose present version has not been prepared by key,
// and, with Version 0, the rows that were prepared from records that are gone. Without a key it returns all records. It returns at most about limit rows, and the id
// after which to go on; that is "" at the end.
func (s *Store) Stale(key string, t Table, after record.ID, limit int) (rows []Row, next record.ID, err error) {
	err = s.read(func(btx *bolt.Tx) error {
		w := &staleWalk{limit: limit, lag: after}
		if records := btx.Bucket([]byte(recordsPrefix + t.From)); records != nil {
			w.records = records.Cursor()
		}
		if prepared := preparedOf(btx, key); prepared != nil && key != "" {
			if bucket := prepared.Bucket([]byte(recordsPrefix + t.To)); bucket != nil {
				w.prepared = bucket.Cursor()
			}
		}
		next, err = w.run()
		rows = w.rows
		return err
	})
	return rows, next, err
}

// preparedOf returns the bucket of what was prepared by key, or nil.
func preparedOf(btx *bolt.Tx, key string) *bolt.Bucket {
	if prepared := btx.Bucket(preparedBucket); prepared != nil && string(prepared.Get(preparedKey)) == key {
		return prepared
	}
	return nil
}

// A staleWalk walks the records and what was prepared of them side by side.
type staleWalk struct {
	records, prepared *bolt.Cursor
	limit             int
	lag               record.ID // the last id that was compared

	rows  []Row
	bytes int
}

func (w *staleWalk) run() (next record.ID, err error) {
	k, v := seekAfter(w.records, w.lag)
	pk, pv := seekAfter(w.prepared, w.lag)
	for range staleScan {
		switch {
		case k == nil && pk == nil:
			return "", nil
		case len(w.rows) >= w.limit || w.bytes >= staleBytes:
			return w.lag, nil
		case k == nil || pk != nil && bytes.Compare(pk, k) < 0:
			w.lag = record.ID(pk)
			w.rows = append(w.rows, Row{ID: w.lag})
			pk, pv = w.prepared.Next()
			continue
		}
		same := bytes.Equal(k, pk)
		w.lag = record.ID(k)
		if !same || recordVersion(pv) != recordVersion(v) {
			if err := w.add(w.lag, bytes.Clone(v)); err != nil {
				return "", err
			}
		}
		k, v = w.records.Next()
		if same {
			pk, pv = w.prepared.Next()
		}
	}
	return w.lag, nil
}

// seekAfter moves a cursor to the first key after id. A nil cursor has no keys.
func seekAfter(c *bolt.Cursor, id record.ID) (k, v []byte) {
	if c == nil {
		return nil, nil
	}
	k, v = c.Seek([]byte(id))
	if id != "" && string(k) == string(id) {
		k, v = c.Next()
	}
	return k, v
}

func (w *staleWalk) add(id record.ID, data []byte) error {
	row, err := storedRow(id, data)
	if err != nil {
		return err
	}
	w.rows = append(w.rows, row)
	w.bytes += len(data)
	return nil
}

// storedRow returns a record as it is stored. Its bytes are slices of data.
func storedRow(id record.ID, data []byte) (Row, error) {
	if len(data) < 8 {
		return Row{}, fmt.Errorf("%s: %w", id, errShort)
	}
	public, private, err := cutText(data[8:])
	if err != nil {
		return Row{}, fmt.Errorf("%s: %w", id, err)
	}
	return Row{ID: id, Version: recordVersion(data), Public: public, Private: private}, nil
}

// Prepare stores rows that were prepared by key, with their entries; one with Version 0 is
// removed. What was prepared by another key is dropped. It returns when the disk has the rows.
func (s *Store) Prepare(key string, t Table, rows []Row) error {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	err := s.update(func(btx *bolt.Tx) error {
		prepared, err := prepareBucket(btx, key)
		if err != nil {
			return err
		}
		p, err := openPrepared(prepared, t)
		if err != nil {
			return err
		}
		return p.replace(rows)
	})
	if err != nil {
		return fmt.Errorf("prepare %s: %w", t.To, err)
	}
	return nil
}

func prepareBucket(btx *bolt.Tx, key string) (*bolt.Bucket, error) {
	if prepared := preparedOf(btx, key); prepared != nil {
		return prepared, nil
	}
	if err := unprepare(btx); err != nil {
		return nil, err
	}
	prepared, err := btx.CreateBucket(preparedBucket)
	if err == nil {
		err = prepared.Put(preparedKey, []byte(key))
	}
	return prepared, err
}

// unprepare deletes what was prepared. bbolt passes over buckets when it deletes one whose
// buckets have been moved, so that their pages would be lost: each is deleted by itself.
func unprepare(btx *bolt.Tx) error {
	prepared := btx.Bucket(preparedBucket)
	if prepared == nil {
		return nil
	}
	var names [][]byte
	if err := prepared.ForEachBucket(func(name []byte) error {
		names = append(names, bytes.Clone(name))
		return nil
	}); err != nil {
		return err
	}
	for _, name := range names {
		if err := prepared.DeleteBucket(name); err != nil {
			return err
		}
	}
	return btx.DeleteBucket(preparedBucket)
}

// Inspect calls fn with the file at path, open to be read: fn may call Remembered,
// Stale and CopyTo. If there is no file, it is a fresh one. If another process has the file open,
// Inspect returns an [*InUseError] after two seconds.
func Inspect(path string, fn func(*Store) error) error {
	s := &Store{path: path, failed: make(chan struct{})}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return fn(s)
	}
	db, err := openNamed(path, bolt.Options{Timeout: openTimeout, ReadOnly: true, NoStatistics: true}, os.OpenFile)
	if errors.Is(err, berrors.ErrTimeout) {
		return inUseError(path)
	}
	if err != nil {
		return fmt.Errorf("read the store %s: %w", path, err)
	}
	s.db.Store(db)
	if err = s.read(checkFormat); err == nil {
		err = fn(s)
	}
	if s.Err() != nil {
		return err // a transaction may still hold bbolt's locks
	}
	return errors.Join(err, db.Close())
}
