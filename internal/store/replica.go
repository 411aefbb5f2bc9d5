package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/towerkit/tower/internal/lineage"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store/unsynced"
	bolt "go.etcd.io/bbolt"
)

// A file that is the replica of a shared log states so. It is being built until it has a
// whole snapshot: a file that a crash leaves in between is built anew. It does not wait for the
// disk, since the log has what it loses.

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

// dropDoubtful removes a replica that cannot be believed, so that it is built anew.
func (s *Store) dropDoubtful() error {
	if s.options.Log == nil {
		return nil
	}
	why, err := unsynced.Doubt(s.path)
	if err != nil || why == "" {
		return err
	}
	s.options.Say("the replica of the shared log is removed: " + why)
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return unsynced.End(s.path)
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

// emptyReplica empties the file. It still states which migrations it has been through: those are
// not done again.
func (s *Store) emptyReplica(btx *bolt.Tx) error {
	var names [][]byte
	if err := btx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if !bytes.Equal(name, migrationsBucket) {
			names = append(names, bytes.Clone(name))
		}
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

// join makes the file as the shared log is now. It takes no turn, which others may have for long:
// what other programs have written is adopted later.
func (s *Store) join() error {
	ctx := context.Background()
	if s.isBuilding() {
		if err := s.build(ctx); err != nil {
			return fmt.Errorf("build the replica: %w", err)
		}
	}
	err := s.guarded(s.takeTail)
	if errors.Is(err, ErrExpired) { // the file was away for longer than the log reaches back
		if err = s.update(s.emptyReplica); err == nil {
			err = s.build(ctx)
		}
		if err == nil {
			err = s.guarded(s.takeTail)
		}
	}
	s.following.look(err)
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
	h, forks := head{seq: seq}, lineage.Forks(nil)
	for last := max(start, 1) - 1; last < seq; {
		entries, err := s.options.Log.Tail(ctx, Position{Seq: last})
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("the log ends with commit %d, and its snapshot is of %d", last, seq)
		}
		if err := s.update(func(btx *bolt.Tx) error {
			for i := range entries {
				e := &entries[i]
				if e.Seq > seq {
					break
				}
				if e.Seq != e.After+1 {
					forks = forks.Add(lineage.Fork{After: e.After, First: e.Seq})
				}
				if err := logEntry(btx, &h, e); err != nil {
					return err
				}
				h.tag = e.Tag
			}
			return nil
		}); err != nil {
			return err
		}
		last = entries[len(entries)-1].Seq
		if time.Since(said) > sayEvery {
			said = time.Now()
			s.options.Say(fmt.Sprintf("building the replica of the shared log: commit %d of %d", min(last, seq), seq))
		}
	}
	err = s.update(func(btx *bolt.Tx) error {
		if err := s.makeReady(btx, nil); err != nil {
			return err
		}
		meta := btx.Bucket(metaBucket)
		return errors.Join(h.write(btx), meta.Put(forksKey, forks.Append(nil)), meta.Put(replicaKey, []byte(built)))
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

// position returns the newest commit of the file.
func (s *Store) position() (at Position, err error) {
	err = s.read(func(btx *bolt.Tx) error {
		h := readHead(btx)
		at = Position{h.seq, h.tag}
		return nil
	})
	return at, err
}

// newTag returns a tag for a commit.
func newTag() uint64 { return rand.Uint64() | 1 }

// rejoin takes the file back to a fork, since the log has lost what came after it, and
// takes in what has been appended there. If that has smaller numbers, it appends a commit
// without changes, so that the newest number never becomes smaller.
func (s *Store) rejoin(fork uint64) error {
	if !s.has(fork) { // the log has got back what was lost to the file
		fork = s.Before(fork)
	}
	if err := s.checkFork(fork); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.options.LogWait)
	defer cancel()
	turn, tail, err := s.options.Log.Turn(ctx, Position{Seq: fork})
	if err != nil {
		return asAway(err)
	}
	defer turn.End()
	return s.inBatch(func(b *batch) error {
		newest := b.head.seq
		for i := range tail {
			if seq := tail[i].Seq; seq <= newest && b.forks.Has(seq) {
				return fmt.Errorf("commit %d: %w", seq, ErrSetBack)
			}
		}
		err := b.rewind(fork)
		if err == nil {
			err = b.takeIn(tail)
		}
		if err == nil && b.head.seq <= newest {
			b.next = max(turn.Next(), lineage.First(newest, s.now()))
			err = b.appendFork(turn)
		}
		if err == nil {
			err = b.commit()
		}
		return err
	})
}

// checkFork returns an error if the file cannot go back to a fork: [ErrExpired] if its log
// begins later, [ErrSetBack] if the log that it shares has another commit there.
func (s *Store) checkFork(fork uint64) error {
	if s.Count(fork, s.LogStart()) > 1 {
		return expired(fork + 1)
	}
	if fork < s.LogStart() {
		return nil // what was there is not known
	}
	own, err := s.Entries(fork, 0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.options.LogWait)
	defer cancel()
	tail, err := s.options.Log.Tail(ctx, Position{Seq: s.Before(fork)})
	if err != nil {
		return asAway(err)
	}
	if len(tail) == 0 || tail[0].Seq != fork || !bytes.Equal(tail[0].Data, own[0].Data) {
		return fmt.Errorf("commit %d: %w", fork, ErrSetBack)
	}
	return nil
}

// rewind undoes the commits after a fork.
func (b *batch) rewind(fork uint64) error {
	keys, ages, log := b.store.bucket(b.btx, keysBucket), b.store.bucket(b.btx, agesBucket), b.store.bucket(b.btx, logBucket)
	for ; b.head.seq > fork; b.head.seq = b.forks.Before(b.head.seq) {
		k := seqKey(b.head.seq)
		data := readEntry(b.btx, b.head.seq)
		if err := b.undo(b.head.seq, data); err != nil {
			return fmt.Errorf("undo commit %d: %w", b.head.seq, err)
		}
		if age := ages.Get(k); len(age) > 8 {
			if err := errors.Join(keys.Delete(bytes.Clone(age[8:])), ages.Delete(k)); err != nil {
				return err
			}
		}
		if err := deleteEntry(log, b.head.seq); err != nil {
			return err
		}
		b.head.bytes -= uint64(len(data))
	}
	if b.head.seq != fork {
		return fmt.Errorf("the file has no commit %d", fork)
	}
	b.since, b.head.tag, b.forks = fork, 0, b.forks.Until(fork)
	return nil
}

// undo makes records and indexes as they were before a commit, whose entry is data.
func (b *batch) undo(seq uint64, data []byte) error {
	c, err := decodeCommit(seq, data, b.store.Model)
	if err != nil {
		return err
	}
	changes, err := rawChanges(data)
	if err != nil {
		return err
	}
	for i := len(changes) - 1; i >= 0; i-- {
		b.store.touch(append([]byte(recordsPrefix), changes[i].model...), changes[i].id)
		if err := changes[i].put(b.btx, changes[i].before); err != nil {
			return err
		}
	}
	var moves []move
	for _, change := range c.Changes {
		change.Before, change.After = change.After, change.Before
		moves = b.store.tables[change.Model].moves(moves, &change)
	}
	return b.move(moves)
}

// appendFork begins a lineage with what other programs have written, or, if that is nothing,
// with a commit without changes.
func (b *batch) appendFork(turn Turn) error {
	commits, err := b.adopt(turn.Foreign())
	if err == nil && len(commits) == 0 {
		p := b.store.prepare(b.store.Begin("failover"), nil)
		after := b.head.seq
		var c Commit
		c, err = b.apply(p)
		commits = []Appended{{Entry: Entry{Seq: c.Seq, After: after, Data: p.entry, Tag: newTag()}}}
	}
	if err != nil {
		return err
	}
	b.head.tag = commits[len(commits)-1].Tag
	return turn.Append(context.Background(), commits, nil)
}
