package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

const (
	maxGroup = 1000 // transactions that share one write to the disk
	trimMore = 64   // log entries that a group may trim beyond as many as it adds
)

// A pending is a transaction as the writer takes it: everything that can be
// known before it has its number, made by the goroutine that commits.
type pending struct {
	ctx      context.Context
	reads    map[key]read
	scans    []scanned
	by       string
	changes  []Change
	moves    []move
	entry    []byte // for the log
	versions []int  // where the commit's number goes in it
	answer   chan answer
}

type answer struct {
	commit Commit
	err    error
}

func (s *Store) prepare(tx *Tx, changes []Change) *pending {
	p := &pending{reads: tx.reads, scans: tx.scans, by: tx.by, changes: changes, answer: make(chan answer, 1)}
	for i := range changes {
		p.moves = s.tables[changes[i].Model].moves(p.moves, &changes[i])
	}
	p.entry, p.versions = encodeCommit(tx.by, changes)
	return p
}

// submit hands p to the writer and waits for its answer.
func (s *Store) submit(ctx context.Context, p *pending) (Commit, error) {
	p.ctx = ctx
	if err := ctx.Err(); err != nil {
		return Commit{}, err
	}
	select {
	case s.queue <- p:
	case <-s.stopped:
		return Commit{}, ErrClosed
	case <-ctx.Done():
		return Commit{}, ctx.Err()
	}
	var err error
	select {
	case a := <-p.answer:
		return a.commit, a.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.stopped:
		err = ErrClosed
	}
	select {
	case a := <-p.answer: // it came at the same time
		return a.commit, a.err
	default:
		return Commit{}, err
	}
}

// write is the writer's goroutine. It commits what waits until the store is
// closing and nothing waits any more.
func (s *Store) write() {
	defer close(s.stopped)
	for {
		select {
		case p := <-s.queue:
			s.writeGroup([]*pending{p})
			continue
		case <-s.closing:
		}
		select {
		case p := <-s.queue:
			s.writeGroup([]*pending{p})
		default:
			return
		}
	}
}

// writeGroup commits the group, and what waits by then, in one transaction of
// the file, and answers them.
func (s *Store) writeGroup(group []*pending) {
	btx, err := s.db.Begin(true)
	if err == nil {
		defer btx.Rollback()
		group = s.gather(group)
	}
	answers := make([]answer, len(group))
	if err == nil {
		err = s.commitGroup(btx, group, answers)
	}
	for i, p := range group {
		if err != nil && answers[i].err == nil {
			answers[i] = answer{err: fmt.Errorf("commit: %w", err)}
		}
		p.answer <- answers[i]
	}
}

// gather adds to the group what waits.
func (s *Store) gather(group []*pending) []*pending {
	for len(group) < maxGroup {
		select {
		case p := <-s.queue:
			group = append(group, p)
		default:
			return group
		}
	}
	return group
}

// commitGroup writes those of the group that nothing speaks against, and tells
// the feed when they are on the disk. Where it fails, of the answers only the
// errors hold.
func (s *Store) commitGroup(btx *bolt.Tx, group []*pending, answers []answer) error {
	b := &batch{store: s, btx: btx, head: readHead(btx)}
	b.since = b.head.seq
	if err := s.catchUp(b); err != nil {
		return err
	}
	for i, p := range group {
		err := b.check(p)
		if err != nil {
			answers[i].err = err
			continue
		}
		if answers[i].commit, err = b.apply(p); err != nil {
			return err
		}
	}
	if len(b.commits) == 0 {
		return nil
	}
	if err := s.trim(btx, &b.head, s.now(), len(b.commits)+trimMore); err != nil {
		return err
	}
	if err := b.head.write(btx); err != nil {
		return err
	}
	start := logStart(btx, b.head)
	if err := btx.Commit(); err != nil {
		return err
	}
	s.ring.publish(b.commits, start)
	return nil
}

// catchUp publishes commits that reached the file although writing them was
// answered with an error.
func (s *Store) catchUp(b *batch) error {
	newest := s.ring.newest()
	if b.head.seq == newest {
		return nil
	}
	commits, err := s.readLog(b.btx, newest+1, b.head.seq, 1<<62)
	if err == nil {
		s.ring.publish(commits, logStart(b.btx, b.head))
	}
	return err
}

// A batch is a group on its way into one bbolt transaction.
type batch struct {
	store   *Store
	btx     *bolt.Tx
	head    head
	since   uint64 // the newest commit before the batch
	commits []Commit
}

// check reports why p may not be committed as things stand in the batch. It
// writes nothing.
func (b *batch) check(p *pending) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	for k, r := range p.reads {
		data := b.btx.Bucket(b.store.tables[k.model].bucket).Get([]byte(k.id))
		if r.loose && data == nil || !r.loose && recordVersion(data) != r.version() {
			return fmt.Errorf("%s/%s: %w", k.model.Name, k.id, ErrConflict)
		}
	}
	for i := range p.scans {
		if !b.unchanged(&p.scans[i]) {
			return fmt.Errorf("%s: %w", p.scans[i].table.model.Name, ErrConflict)
		}
	}
	return b.checkUnique(p)
}

// checkUnique reports the values of the first record of p that another record
// has, or gets in p. What a record gives up in p is free.
func (b *batch) checkUnique(p *pending) error {
	type slot struct {
		index *index
		key   string
	}
	left, taken := map[slot]bool{}, map[slot]bool{}
	for i := range p.moves {
		if m := &p.moves[i]; m.from.value != nil {
			left[slot{m.index, string(m.from.key)}] = true
		}
	}
	var invalid *InvalidError
	var id []byte
	for i := range p.moves {
		m := &p.moves[i]
		if m.to.value == nil {
			continue
		}
		to := slot{m.index, string(m.to.key)}
		free := !taken[to] && (left[to] || b.btx.Bucket(m.index.bucket).Get(m.to.key) == nil)
		taken[to] = true
		if free || invalid != nil && !bytes.Equal(id, m.to.value) {
			continue
		}
		if invalid == nil {
			invalid, id = &InvalidError{Model: m.table.model.Name, Problems: &Problems{}}, m.to.value
		}
		invalid.Problems.Add(m.index.field.Name, "is already taken")
	}
	if invalid != nil {
		return invalid
	}
	return nil
}

// apply writes p, which check has let pass, under the next number.
func (b *batch) apply(p *pending) (Commit, error) {
	c := Commit{Seq: b.head.seq + 1, At: b.store.now(), By: p.by, Changes: p.changes}
	binary.BigEndian.PutUint64(p.entry, uint64(c.At.UnixMicro()))
	for _, at := range p.versions {
		binary.BigEndian.PutUint64(p.entry[at:], c.Seq)
	}
	err := b.bucket(logBucket, appendFill).Put(seqKey(c.Seq), p.entry)
	if err == nil {
		err = b.records(p, c.Seq)
	}
	if err == nil {
		err = b.move(p.moves)
	}
	b.head.seq = c.Seq
	b.head.bytes += uint64(len(p.entry))
	b.commits = append(b.commits, c)
	return c, err
}

// bucket returns a bucket of which pages that are split are left that full.
func (b *batch) bucket(name []byte, fill float64) *bolt.Bucket {
	bucket := b.btx.Bucket(name)
	bucket.FillPercent = fill
	return bucket
}

// records writes what p leaves of its records. They are parts of its log entry.
func (b *batch) records(p *pending, seq uint64) error {
	versions := p.versions
	for i := range p.changes {
		c := &p.changes[i]
		bucket := b.bucket(b.store.tables[c.Model].bucket, recordFill)
		if c.After == nil {
			if err := bucket.Delete([]byte(c.ID)); err != nil {
				return err
			}
			continue
		}
		from := versions[0]
		versions = versions[1:]
		if err := bucket.Put([]byte(c.ID), p.entry[from:from+c.After.stored()]); err != nil {
			return err
		}
		c.After = c.After.at(seq)
	}
	return nil
}

// move takes all old keys out of the indexes before it puts the new ones in:
// records may exchange their values.
func (b *batch) move(moves []move) error {
	for i := range moves {
		if m := &moves[i]; m.from.key != nil {
			if err := b.btx.Bucket(m.index.bucket).Delete(m.from.key); err != nil {
				return err
			}
		}
	}
	for i := range moves {
		m := &moves[i]
		if m.to.key == nil {
			continue
		}
		fill := bolt.DefaultFillPercent
		if m.index.field.Kind == Time {
			fill = recordFill
		}
		if err := b.bucket(m.index.bucket, fill).Put(m.to.key, m.to.value); err != nil {
			return err
		}
	}
	return nil
}
