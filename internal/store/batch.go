package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/lineage"
	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// A batch is a group of transactions that share one bbolt transaction.
type batch struct {
	store   *Store
	btx     *bolt.Tx
	head    head
	forks   lineage.Forks
	since   uint64 // the newest commit before the batch
	next    uint64 // the number that the next commit gets
	commits []Commit
	newest  time.Time // at least the time of the newest commit, if others make some too
}

// check returns an error if p may not be committed after what the batch already
// holds. It writes nothing.
func (b *batch) check(p *pending) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.attempt != nil {
		if err := b.checkAttempt(p.attempt); err != nil {
			return err
		}
	}
	for k, r := range p.reads.All() {
		data := b.btx.Bucket(b.store.tables[k.Model].bucket).Get([]byte(k.ID))
		if r.existsOnly && data == nil || !r.existsOnly && recordVersion(data) != r.version() {
			return fmt.Errorf("%s/%s: %w", k.Model.Name, k.ID, ErrConflict)
		}
	}
	for i := range p.scans {
		if !b.unchanged(&p.scans[i]) {
			return fmt.Errorf("%s: %w", p.scans[i].table.model.Name, ErrConflict)
		}
	}
	return b.checkUnique(p)
}

// checkUnique reports the unique values of the first record in p that another record
// has, or gets in p. A value that a record in p gives up is free.
func (b *batch) checkUnique(p *pending) error {
	type slot struct {
		index *index
		key   string
	}
	if !slices.ContainsFunc(p.moves, func(m move) bool { return m.to.value != nil }) {
		return nil
	}
	left, taken := map[slot]bool{}, map[slot]bool{}
	for i := range p.moves {
		if m := &p.moves[i]; m.from.value != nil {
			left[slot{m.index, string(m.from.key)}] = true
		}
	}
	var invalid *record.InvalidError
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
			invalid, id = &record.InvalidError{Model: m.table.model.Name, ID: record.ID(m.to.value), Problems: &record.Problems{}}, m.to.value
		}
		m.index.addTaken(invalid.Problems)
	}
	if invalid != nil {
		return invalid
	}
	return nil
}

// addTaken adds the problem of a value that another record has to each field of the
// index. Of a group it does not name private fields.
func (x *index) addTaken(problems *record.Problems) {
	var names []string
	for _, f := range append([]*record.Field{x.field}, x.more...) {
		if x.more == nil || !f.Private {
			names = append(names, f.Name)
		}
	}
	for i, name := range names {
		problem := "is already taken"
		if len(names) > 1 {
			problem += " together with " + strings.Join(slices.Concat(names[:i], names[i+1:]), " and ")
		}
		problems.Add(name, problem)
	}
	if names == nil {
		problems.Add("", "is already taken")
	}
}

// apply writes p, which has passed check, as the next commit.
func (b *batch) apply(p *pending) (Commit, error) {
	c := Commit{Seq: b.next, At: b.store.now(), By: p.by, Changes: p.changes, Trace: p.trace}
	if c.At.Before(b.newest) { // by another clock
		c.At = b.newest
	}
	binary.BigEndian.PutUint64(p.entry, uint64(c.At.UnixMicro()))
	for _, at := range p.versions {
		binary.BigEndian.PutUint64(p.entry[at:], c.Seq)
	}
	err := putEntry(b.bucket(logBucket, appendFill), c.Seq, p.entry)
	if err == nil {
		err = b.records(p, c.Seq)
	}
	if err == nil {
		err = b.move(p.moves)
	}
	if err == nil && p.attempt != nil {
		err = b.claim(p.attempt, &c)
	}
	if err == nil {
		err = b.follow(&c, len(p.entry))
	}
	return c, err
}

// follow makes a commit the newest one, whose entry has that size.
func (b *batch) follow(c *Commit, size int) error {
	if fork := (lineage.Fork{After: b.head.seq, First: c.Seq}); fork.First != fork.After+1 {
		b.forks = b.forks.Add(fork)
		if err := b.store.bucket(b.btx, metaBucket).Put(forksKey, b.forks.Append(nil)); err != nil {
			return err
		}
	}
	b.head.seq, b.next = c.Seq, c.Seq+1
	b.head.bytes += uint64(size)
	b.commits = append(b.commits, *c)
	return nil
}

// bucket returns a bucket whose pages are filled to that ratio when they split.
func (b *batch) bucket(name []byte, fill float64) bucket {
	bucket := b.store.bucket(b.btx, name)
	bucket.FillPercent = fill
	return bucket
}

// records writes the records as p leaves them. Their bytes are slices of the log
// entry.
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
		if err := bucket.Put([]byte(c.ID), p.entry[from:from+recordSize(c.After)]); err != nil {
			return err
		}
		c.After = c.After.WithVersion(seq)
	}
	return nil
}

// move deletes all old index keys before it puts the new ones, so that records can
// exchange values.
func (b *batch) move(moves []move) error {
	for i := range moves {
		if m := &moves[i]; m.from.key != nil {
			if err := b.store.bucket(b.btx, m.index.bucket).Delete(m.from.key); err != nil {
				return err
			}
		}
	}
	for i := range moves {
		m := &moves[i]
		if m.to.key == nil {
			continue
		}
		fill := recordFill // the keys of a value come in the order of ids
		if m.to.value != nil {
			fill = bolt.DefaultFillPercent
		}
		if err := b.bucket(m.index.bucket, fill).Put(m.to.key, m.to.value); err != nil {
			return err
		}
	}
	return nil
}
