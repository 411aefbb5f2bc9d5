package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// Check reads the file and returns an error that lists what is wrong with its pages
// and its log, and which records are not as the log leaves them. It does not know the
// models, so it checks no indexes.
func (f *File) Check(ctx context.Context) error {
	var found []error
	err := f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) error {
			c := &check{ctx: ctx, btx: btx, head: readHead(btx)}
			c.pages()
			if len(c.found) == 0 {
				c.rawLog()
			}
			found = c.found
			return ctx.Err()
		})
	})
	return errors.Join(append(found, err)...)
}

// rawLog checks that the log has every commit up to the newest, and that records are as
// it leaves them.
func (c *check) rawLog() {
	next, size, forks := logStart(c.btx, c.head), uint64(0), readForks(c.btx)
	left := map[string]uint64{}
	for seq, entry := range c.entries() {
		if seq != next {
			c.report("the log has commit %d where %d belongs", seq, next)
			next = seq
		}
		changes, err := rawChanges(entry)
		if err != nil {
			c.report("commit %d: %w", next, err)
		}
		for i := range changes {
			left[changes[i].key()] = recordVersion(changes[i].after)
		}
		size += uint64(len(entry))
		next = forks.Next(next)
	}
	if c.ctx.Err() != nil {
		return
	}
	if next != forks.Next(c.head.seq) || size != c.head.bytes {
		c.report("the log ends at commit %d with %d bytes, its header states %d with %d", forks.Before(next), size, c.head.seq, c.head.bytes)
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		model, id, _ := strings.Cut(key, "/")
		found := uint64(0)
		if bucket := c.btx.Bucket([]byte(recordsPrefix + model)); bucket != nil {
			found = recordVersion(bucket.Get([]byte(id)))
		}
		if found != left[key] {
			c.report("%s is of commit %d, in the log of %d", key, found, left[key])
		}
	}
}

// key names the record, like posts/01J….
func (c *rawChange) key() string { return string(c.model) + "/" + string(c.id) }

// Digest returns a hash of all records as of the commit seq, with the fields that no
// model names. It returns [ErrExpired] if the log does not reach back that far.
func (s *Store) Digest(ctx context.Context, seq uint64) (text string, err error) {
	err = s.read(func(btx *bolt.Tx) (err error) {
		text, err = digest(ctx, btx, seq)
		return err
	})
	return text, err
}

// Digest returns a hash of all records in the file. It is that of [Store.Digest] if the
// records are the same.
func (f *File) Digest(ctx context.Context) (text string, err error) {
	err = f.guarded(func() error {
		return f.db.View(func(btx *bolt.Tx) (err error) {
			text, err = digest(ctx, btx, readHead(btx).seq)
			return err
		})
	})
	return text, err
}

func digest(ctx context.Context, btx *bolt.Tx, seq uint64) (string, error) {
	before, err := undone(btx, seq)
	if err != nil {
		return "", err
	}
	var buckets [][]byte
	if err := btx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if bytes.HasPrefix(name, []byte(recordsPrefix)) {
			buckets = append(buckets, bytes.Clone(name))
		}
		return nil
	}); err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range buckets {
		model := string(name[len(recordsPrefix):])
		records := btx.Bucket(name)
		ids := deletedSince(records, model, before)
		add := func(id, data []byte) error {
			if old, changed := before[model+"/"+string(id)]; changed {
				data = old
			}
			if data == nil {
				return nil
			}
			plain, err := canonical(data)
			if err != nil {
				return fmt.Errorf("%s/%s: %w", model, id, err)
			}
			sum.Write(appendText(appendText(appendText(nil, model), id), plain))
			return ctx.Err()
		}
		cursor := records.Cursor()
		for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
			for len(ids) > 0 && ids[0] < string(k) {
				if err := add([]byte(ids[0]), nil); err != nil {
					return "", err
				}
				ids = ids[1:]
			}
			if err := add(k, v); err != nil {
				return "", err
			}
		}
		for _, id := range ids {
			if err := add([]byte(id), nil); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// undone returns the records that commits after seq have changed, as they were at seq.
func undone(btx *bolt.Tx, seq uint64) (map[string][]byte, error) {
	h, before := readHead(btx), map[string][]byte{}
	if seq > h.seq {
		return nil, fmt.Errorf("there is no commit %d, the newest is %d", seq, h.seq)
	}
	if seq+1 < logStart(btx, h) {
		return nil, expired(seq + 1)
	}
	for seq, entry := range entries(btx, seq+1) {
		changes, err := rawChanges(entry)
		if err != nil {
			return nil, fmt.Errorf("commit %d: %w", seq, err)
		}
		for i := range changes {
			if _, known := before[changes[i].key()]; !known {
				before[changes[i].key()] = changes[i].before
			}
		}
	}
	return before, nil
}

// deletedSince returns the ids of the model's records that are not in the file any
// more, in order.
func deletedSince(records *bolt.Bucket, model string, before map[string][]byte) (ids []string) {
	for key, old := range before {
		id, of := strings.CutPrefix(key, model+"/")
		if of && old != nil && records.Get([]byte(id)) == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// canonical returns a stored record in a form that does not depend on which of its
// fields are private.
func canonical(data []byte) ([]byte, error) {
	if len(data) < 8 {
		return nil, errShort
	}
	public, private, err := cutText(data[8:])
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	for _, part := range [...][]byte{public, private} {
		if len(part) == 0 {
			continue
		}
		if err := json.Unmarshal(part, &fields); err != nil {
			return nil, err
		}
	}
	plain, err := json.Marshal(fields) // sorts its keys
	return append(bytes.Clone(data[:8]), plain...), err
}
