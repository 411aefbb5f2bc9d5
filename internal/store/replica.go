package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// A file that is the replica of a shared log states so. It is being built until it has a
// whole snapshot: a file that a crash leaves in between is built anew.

var replicaKey = []byte("replica")

const (
	building = "building"
	built    = "built"
)

// checkReplica returns an error if the file may not be opened with a shared log, or not
// without one.
func (s *Store) checkReplica(btx *bolt.Tx) error {
	meta := btx.Bucket(metaBucket)
	if meta == nil {
		return nil
	}
	switch replica := meta.Get(replicaKey) != nil; {
	case s.options.Log == nil && replica:
		return errors.New("it is the replica of a log that several stores share, and cannot be opened without that")
	case s.options.Log != nil && !replica:
		return errors.New("it has a history of its own, and is no replica of the log that it would share")
	}
	return nil
}

// beginReplica empties the file if it is not a whole replica of the log's history.
func (s *Store) beginReplica() error {
	whole := false
	err := s.read(func(btx *bolt.Tx) error {
		meta := btx.Bucket(metaBucket)
		whole = meta != nil && string(meta.Get(replicaKey)) == built && string(meta.Get(epochKey)) == s.epoch
		return nil
	})
	if err != nil || whole {
		return err
	}
	return s.update(s.emptyReplica)
}

func (s *Store) emptyReplica(btx *bolt.Tx) error {
	var names [][]byte
	if err := btx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		names = append(names, bytes.Clone(name))
		return nil
	}); err != nil {
		return err
	}
	for _, name := range names {
		if err := btx.DeleteBucket(name); err != nil {
			return err
		}
	}
	if err := create(btx, s.epoch); err != nil {
		return err
	}
	return btx.Bucket(metaBucket).Put(replicaKey, []byte(building))
}

// join makes the file as the shared log is now.
func (s *Store) join() error {
	ctx := context.Background()
	if s.isBuilding() {
		if err := s.build(ctx); err != nil {
			return fmt.Errorf("build the replica: %w", err)
		}
	}
	err := s.follow()
	if errors.Is(err, ErrExpired) { // the file was away for longer than the log reaches back
		if err = s.update(s.emptyReplica); err == nil {
			err = s.build(ctx)
		}
		if err == nil {
			err = s.follow()
		}
	}
	if err != nil {
		return fmt.Errorf("follow the log: %w", err)
	}
	return nil
}

func (s *Store) isBuilding() (is bool) {
	_ = s.read(func(btx *bolt.Tx) error { // an error of the file is met again at once
		is = string(btx.Bucket(metaBucket).Get(replicaKey)) == building
		return nil
	})
	return is
}

const sayEvery = time.Second // while a replica is built

// build fills an empty replica: with the records of a snapshot and their indexes, and with
// the commits before it that the log has, so that clients which know one of them can resume.
func (s *Store) build(ctx context.Context) error {
	s.options.Say("building the replica of the shared log")
	seq, start, err := s.takeSnapshot(ctx)
	if err != nil {
		return err
	}
	said := time.Now()
	h := head{seq: seq}
	for next := start; next <= seq; {
		entries, err := s.options.Log.Tail(ctx, next-1)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("the log has no commit %d", next)
		}
		if err := s.update(func(btx *bolt.Tx) error {
			for i := range entries {
				if e := &entries[i]; e.Seq <= seq {
					if err := putEntry(btx, &h, e); err != nil {
						return err
					}
				}
			}
			return nil
		}); err != nil {
			return err
		}
		next = entries[len(entries)-1].Seq + 1
		if time.Since(said) > sayEvery {
			said = time.Now()
			s.options.Say(fmt.Sprintf("building the replica of the shared log: commit %d of %d", min(next-1, seq), seq))
		}
	}
	err = s.update(func(btx *bolt.Tx) error {
		if err := s.makeReady(btx, nil); err != nil {
			return err
		}
		return errors.Join(h.write(btx), btx.Bucket(metaBucket).Put(replicaKey, []byte(built)))
	})
	if err != nil {
		return err
	}
	return s.read(s.readHead)
}

// A part is some records of a model.
type part struct {
	model string
	rows  []Row
}

// takeSnapshot puts the records of a snapshot into the empty file, with their indexes. It writes
// some while the next ones are read.
func (s *Store) takeSnapshot(ctx context.Context) (seq, start uint64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := make(chan part, 2)
	var read error
	go func() {
		defer close(parts)
		seq, start, read = s.options.Log.Snapshot(ctx, func(model string, rows []Row) error {
			select {
			case parts <- part{model, rows}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	records, said := 0, time.Now()
	w := &snapshotWriter{store: s}
	for p := range parts {
		if err != nil {
			continue // until the snapshot has ended
		}
		if err = w.add(p); err != nil {
			cancel()
		}
		if records += len(p.rows); time.Since(said) > sayEvery {
			said = time.Now()
			s.options.Say(fmt.Sprintf("building the replica of the shared log: %d records", records))
		}
	}
	if err == nil {
		if err = read; err == nil {
			err = w.finish()
		}
	}
	return seq, start, err
}

// A snapshotWriter puts records into the file, one model after another.
type snapshotWriter struct {
	store   *Store
	model   string
	renewal *renewal // of the model; nil: the store was opened without it
}

func (w *snapshotWriter) add(p part) error {
	if p.model != w.model {
		if err := w.finish(); err != nil {
			return err
		}
		w.model = p.model
		if t := w.store.tables[w.store.Model(p.model)]; t != nil {
			w.renewal = &renewal{table: t, survey: &record.Survey{Model: t.model}, indexes: t.indexes}
		}
	}
	return w.store.update(func(btx *bolt.Tx) error {
		bucket, err := btx.CreateBucketIfNotExists([]byte(recordsPrefix + p.model))
		if err != nil {
			return err
		}
		bucket.FillPercent = appendFill
		for i := range p.rows {
			image, err := w.image(&p.rows[i])
			if err != nil {
				return err
			}
			if err := bucket.Put([]byte(image.ID), appendRecord(nil, image)); err != nil {
				return err
			}
		}
		return nil
	})
}

// image returns a row's record as it is stored, once it was looked at for the indexes.
func (w *snapshotWriter) image(row *Row) (image *record.Image, err error) {
	image = &record.Image{ID: row.ID, Version: row.Version, JSON: row.Public, Private: row.Private}
	if w.renewal == nil {
		return image, nil
	}
	if image.Model = w.renewal.model; row.Record != nil {
		if image, err = image.Model.Encoded(row.Record, row.ID, row.Version, row.Public, row.Private); err != nil {
			return nil, err
		}
	}
	w.renewal.split = row.Record == nil // it is split as the model is now otherwise
	_, err = w.renewal.add(image)
	return image, err
}

// finish makes the indexes of the model.
func (w *snapshotWriter) finish() error {
	model, r := w.model, w.renewal
	if model == "" {
		return nil
	}
	w.model, w.renewal = "", nil
	return w.store.update(func(btx *bolt.Tx) error {
		schema := btx.Bucket(schemaBucket)
		if r == nil {
			return schema.Put([]byte(recordsPrefix+model), []byte(unknownSignature))
		}
		if err := r.drop(btx, r.built(btx)); err != nil { // those of the empty file
			return err
		}
		if err := schema.Put(r.bucket, []byte(r.model.Signature())); err != nil {
			return err
		}
		if _, err := r.examined(btx); err != nil {
			return err
		}
		return r.build(btx)
	})
}
