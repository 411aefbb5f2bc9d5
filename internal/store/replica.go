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
	records, said := 0, time.Now()
	s.options.Say("building the replica of the shared log")
	seq, start, err := s.options.Log.Snapshot(ctx, func(model string, rows []Row) error {
		if records += len(rows); time.Since(said) > sayEvery {
			said = time.Now()
			s.options.Say(fmt.Sprintf("building the replica of the shared log: %d records", records))
		}
		return s.update(func(btx *bolt.Tx) error { return putRows(btx, model, rows) })
	})
	if err != nil {
		return err
	}
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
		if err := settle(btx); err != nil {
			return err
		}
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

func putRows(btx *bolt.Tx, model string, rows []Row) error {
	bucket, err := btx.CreateBucketIfNotExists([]byte(recordsPrefix + model))
	if err != nil {
		return err
	}
	bucket.FillPercent = appendFill
	for _, row := range rows {
		image := &record.Image{ID: row.ID, Version: row.Version, JSON: row.Public, Private: row.Private}
		if err := bucket.Put([]byte(row.ID), appendRecord(nil, image)); err != nil {
			return err
		}
	}
	return nil
}
