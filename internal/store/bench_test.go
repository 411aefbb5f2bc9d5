package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// The benchmarks do the same work with the store and with bare bbolt, in turns, so that
// both use the same disk. They report the store's speed as a fraction of bbolt's,
// "ofbbolt". Bare bbolt writes a value of 300 bytes and one index key; the store writes a
// record of that size, its index, and the log.

type note struct {
	record.Record
	Text string `json:"text"`
}

var (
	noteText    = strings.Repeat("x", 300-len(`{"id":"01J00000000000000000000000","createdAt":"2026-11-22T10:00:00.000000Z","updatedAt":"2026-11-22T10:00:00.000000Z","text":""}`))
	bareRecords = []byte("records")
	bareIndex   = []byte("index")
)

func benchStore(b *testing.B) (*Store, *record.Model) {
	notes := mustModel(b, "notes", &note{})
	s, err := Open(filepath.Join(b.TempDir(), "store.db"), Options{Models: []*record.Model{notes}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s, notes
}

func benchBare(b *testing.B) *bolt.DB {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err == nil {
		err = db.Update(func(btx *bolt.Tx) error {
			if _, err := btx.CreateBucket(bareRecords); err != nil {
				return err
			}
			_, err := btx.CreateBucket(bareIndex)
			return err
		})
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

type bareRecord struct{ id, index, value []byte }

func newBareRecord() bareRecord {
	id := []byte(record.NewID())
	at := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMicro()))
	return bareRecord{id: id, index: append(at, id...), value: bytes.Repeat([]byte{'x'}, 300)}
}

func (r bareRecord) put(btx *bolt.Tx) error {
	if err := btx.Bucket(bareRecords).Put(r.id, r.value); err != nil {
		return err
	}
	return btx.Bucket(bareIndex).Put(r.index, nil)
}

// bareWriter commits what its channel delivers, all that waits in one transaction.
func bareWriter(db *bolt.DB) (put func(bareRecord) error, stop func()) {
	type job struct {
		record bareRecord
		done   chan error
	}
	jobs := make(chan job, 1000)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for first := range jobs {
			group := []job{first}
			for more := true; more && len(group) < 1000; {
				select {
				case j, ok := <-jobs:
					if more = ok; ok {
						group = append(group, j)
					}
				default:
					more = false
				}
			}
			err := db.Update(func(btx *bolt.Tx) error {
				for _, j := range group {
					if err := j.record.put(btx); err != nil {
						return err
					}
				}
				return nil
			})
			for _, j := range group {
				j.done <- err
			}
		}
	}()
	put = func(r bareRecord) error {
		j := job{r, make(chan error, 1)}
		jobs <- j
		return <-j.done
	}
	return put, func() { close(jobs); <-stopped }
}

// sideBySide runs ours and bare, n operations each, in turns of step operations.
func sideBySide(b *testing.B, step int, ours, bare func(n int)) {
	var our, their time.Duration
	timed := func(total *time.Duration, run func(int), n int) {
		start := time.Now()
		run(n)
		*total += time.Since(start)
	}
	b.ResetTimer()
	for left := b.N; left > 0; left -= step {
		n := min(step, left)
		timed(&our, ours, n)
		timed(&their, bare, n)
	}
	b.ReportMetric(float64(b.N)/our.Seconds(), "store/s")
	b.ReportMetric(float64(b.N)/their.Seconds(), "bbolt/s")
	b.ReportMetric(their.Seconds()/our.Seconds(), "ofbbolt")
	b.ReportMetric(0, "ns/op")
}

func createNote(b *testing.B, s *Store, notes *record.Model) {
	tx := s.Begin("bench")
	_, err := tx.Create(notes, &note{Text: noteText})
	if err == nil {
		_, err = tx.Commit(context.Background())
	}
	if err != nil {
		b.Error(err)
	}
}

func BenchmarkCreate1Writer(b *testing.B) {
	s, notes := benchStore(b)
	db := benchBare(b)
	sideBySide(b, 50, func(n int) {
		for range n {
			createNote(b, s, notes)
		}
	}, func(n int) {
		for range n {
			if err := db.Update(newBareRecord().put); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCreate64Writers(b *testing.B) {
	s, notes := benchStore(b)
	put, stop := bareWriter(benchBare(b))
	defer stop()
	writers := func(n int, write func()) {
		var wg sync.WaitGroup
		var begun atomic.Int64
		for range 64 {
			wg.Go(func() {
				for begun.Add(1) <= int64(n) {
					write()
				}
			})
		}
		wg.Wait()
	}
	sideBySide(b, 5000, func(n int) {
		writers(n, func() { createNote(b, s, notes) })
	}, func(n int) {
		writers(n, func() {
			if err := put(newBareRecord()); err != nil {
				b.Error(err)
			}
		})
	})
}

func fill(b *testing.B, s *Store, notes *record.Model, db *bolt.DB) {
	thousands := 100
	if testing.Short() {
		thousands = 1
	}
	for range thousands {
		tx := s.Begin("bench")
		for range 1000 {
			if _, err := tx.Create(notes, &note{Text: noteText}); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := tx.Commit(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := db.Update(func(btx *bolt.Tx) error {
			for range 1000 {
				if err := newBareRecord().put(btx); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPage20Of100k reads the 20 newest of 100,000 records. Bare bbolt copies what it
// found, so that it can be used after the transaction.
func BenchmarkPage20Of100k(b *testing.B) {
	s, notes := benchStore(b)
	db := benchBare(b)
	fill(b, s, notes, db)
	newest := Range{Index: notes.Field("createdAt"), Reverse: true}
	sideBySide(b, 1000, func(n int) {
		for range n {
			page := make([]*record.Image, 0, 20)
			if err := s.View(context.Background(), func(snap *Snapshot) error {
				return snap.Scan(notes, newest, func(image *record.Image) bool {
					page = append(page, image)
					return len(page) < 20
				})
			}); err != nil || len(page) != 20 {
				b.Fatal(len(page), err)
			}
		}
	}, func(n int) {
		for range n {
			page := make([][]byte, 0, 20)
			if err := db.View(func(btx *bolt.Tx) error {
				records, c := btx.Bucket(bareRecords), btx.Bucket(bareIndex).Cursor()
				for k, _ := c.Last(); k != nil && len(page) < 20; k, _ = c.Prev() {
					page = append(page, bytes.Clone(records.Get(k[8:])))
				}
				return nil
			}); err != nil || len(page) != 20 {
				b.Fatal(len(page), err)
			}
		}
	})
}
