package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// Check reads the whole file and returns an error that lists where its parts
// disagree: pages, records and their indexes, applied keys and marks and their
// ages, the log and the records, the log and its header. No commit is written meanwhile, because
// bbolt's free list must not change while it is read.
func (s *Store) Check(ctx context.Context) error {
	var found []error
	err := s.guarded(func() error {
		btx, err := s.begin(true)
		if errors.Is(err, ErrClosed) {
			return err
		}
		if err != nil {
			return fmt.Errorf("check the store: %w", err)
		}
		defer btx.Rollback()
		c := &check{ctx: ctx, store: s, btx: btx, head: readHead(btx)}
		c.all()
		found = c.found
		return ctx.Err()
	})
	return cmp.Or(err, errors.Join(found...))
}

const maxFound = 20 // disagreements that one check reports

type check struct {
	ctx   context.Context
	store *Store
	btx   *bolt.Tx
	head  head
	found []error
}

func (c *check) report(format string, args ...any) {
	if len(c.found) < maxFound {
		c.found = append(c.found, fmt.Errorf(format, args...))
	}
}

// all runs every check, until one meets damage that bbolt cannot read over.
func (c *check) all() {
	c.pages()
	if len(c.found) > 0 {
		return
	}
	for _, m := range c.store.allModels() {
		c.table(c.store.tables[m])
	}
	c.log()
	c.keys()
	c.marks()
}

func (c *check) pages() {
	for err := range c.btx.Check() {
		c.report("pages: %w", err)
	}
}

// table checks that each record is in every index it belongs to, and that the indexes
// hold nothing else.
func (c *check) table(t *table) {
	belong := make([]int, len(t.indexes)) // entries of each index
	err := t.each(c.btx, func(image *record.Image) error {
		if image.Version == 0 || image.Version > c.head.seq {
			c.report("%s/%s was written by commit %d, the newest is %d", t.model.Name, image.ID, image.Version, c.head.seq)
		}
		if !json.Valid(image.JSON) || image.Private != nil && !json.Valid(image.Private) {
			c.report("%s/%s is not JSON", t.model.Name, image.ID)
		}
		for i, x := range t.indexes {
			e := x.entry(image)
			if e.key == nil {
				continue
			}
			belong[i]++
			k, v := c.btx.Bucket(x.bucket).Cursor().Seek(e.key)
			if !bytes.Equal(k, e.key) || !bytes.Equal(v, e.value) {
				c.report("%s/%s is not in the index %s", t.model.Name, image.ID, x.name())
			}
		}
		return c.ctx.Err()
	})
	if err != nil {
		c.report("%w", err)
		return
	}
	for i, x := range t.indexes {
		entries := 0
		for range c.each(x.bucket) {
			entries++
		}
		if entries != belong[i] {
			c.report("the index %s of %s has %d entries for %d records", x.name(), t.model.Name, entries, belong[i])
		}
	}
}

// each yields the keys and values of a bucket.
func (c *check) each(bucket []byte) func(yield func(k, v []byte) bool) {
	return func(yield func(k, v []byte) bool) {
		cursor := c.btx.Bucket(bucket).Cursor()
		for k, v := cursor.First(); k != nil && c.ctx.Err() == nil; k, v = cursor.Next() {
			if !yield(k, v) {
				return
			}
		}
	}
}

// entries yields the log.
func (c *check) entries() func(yield func(seq uint64, entry []byte) bool) {
	return func(yield func(seq uint64, entry []byte) bool) {
		for seq, entry := range entries(c.btx, 0) {
			if c.ctx.Err() != nil || !yield(seq, entry) {
				return
			}
		}
	}
}

// log checks that the log has every commit up to the newest, that each change starts
// with the record as the change before left it, and that the last change left the
// record as it is stored.
func (c *check) log() {
	var size uint64
	next, forks := logStart(c.btx, c.head), readForks(c.btx)
	left := map[record.Key]uint64{}
	for seq, entry := range c.entries() {
		if seq != next {
			c.report("the log has commit %d where %d belongs", seq, next)
			next = seq
		}
		commit, err := decodeCommit(next, entry, c.store.Model)
		if err != nil {
			c.report("%w", err)
		}
		c.changes(&commit, left)
		size += uint64(len(entry))
		next = forks.Next(next)
	}
	if c.ctx.Err() != nil {
		return
	}
	if next != forks.Next(c.head.seq) {
		c.report("the log ends at commit %d, the newest is %d", forks.Before(next), c.head.seq)
	}
	if size != c.head.bytes {
		c.report("the log has %d bytes, its header states %d", size, c.head.bytes)
	}
	for k, version := range left {
		found := recordVersion(c.btx.Bucket(c.store.tables[k.Model].bucket).Get([]byte(k.ID)))
		if found != version {
			c.report("%s/%s is of commit %d, in the log of %d", k.Model.Name, k.ID, found, version)
		}
	}
}

// keys checks that each applied key has an age, and each age a key.
func (c *check) keys() {
	keys, ages := c.btx.Bucket(keysBucket), 0
	for k, v := range c.each(agesBucket) {
		ages++
		applied := decodeApplied(keys.Get(v[8:]))
		if seq := binary.BigEndian.Uint64(k); applied == nil || applied.Seq != seq || seq > c.head.seq {
			c.report("the key that commit %d applied does not match its age", seq)
		}
	}
	found := 0
	for range c.each(keysBucket) {
		found++
	}
	if found != ages && c.ctx.Err() == nil {
		c.report("there are %d keys, and ages of %d", found, ages)
	}
}

// marks checks that each mark has an age, and each age a mark.
func (c *check) marks() {
	marks, ages := c.btx.Bucket(marksBucket), 0
	for k := range c.each(marksAgeBucket) {
		ages++
		if entry := marks.Get(k[8:]); len(entry) < 8 || !bytes.Equal(entry[:8], k[:8]) {
			c.report("the mark %q does not match its age", k[8:])
		}
	}
	found := 0
	for range c.each(marksBucket) {
		found++
	}
	if found != ages && c.ctx.Err() == nil {
		c.report("there are %d marks, and ages of %d", found, ages)
	}
}

// changes follows the versions of the records that a commit changed.
func (c *check) changes(commit *Commit, left map[record.Key]uint64) {
	for _, change := range commit.Changes {
		k := record.Key{Model: change.Model, ID: change.ID}
		before := read{image: change.Before}.version()
		if was, known := left[k]; known && was != before {
			c.report("commit %d found %s/%s of commit %d, the log has it of %d", commit.Seq, k.Model.Name, k.ID, before, was)
		}
		left[k] = read{image: change.After}.version()
	}
}
