package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// A mark is a small text that the file keeps under a name for a limited time, beside
// the records: no commit holds it and no cursor follows it. It is stored as
//
//	time in microseconds until which it is kept, 8 bytes big-endian ‖ text
//
// and, for its expiry, as an empty entry under
//
//	time, 8 bytes big-endian ‖ name

// Mark returns the text under a name, nil if there is none.
func (s *Store) Mark(name string) (text []byte, err error) {
	err = s.read(func(btx *bolt.Tx) error {
		if entry := btx.Bucket(marksBucket).Get([]byte(name)); len(entry) >= 8 && entryTime(entry).After(s.options.Now()) {
			text = append(text, entry[8:]...)
		}
		return nil
	})
	return text, err
}

// SetMark replaces the text under a name by what change returns for it, and keeps that
// until a time. It returns when the disk has it. change gets nil if there is no text.
func (s *Store) SetMark(name string, until time.Time, change func(text []byte) []byte) error {
	err := s.update(func(btx *bolt.Tx) error {
		marks, ages := s.bucket(btx, marksBucket), s.bucket(btx, marksAgeBucket)
		if err := expireMarks(marks, ages, s.options.Now()); err != nil {
			return err
		}
		var text []byte
		if old := marks.Get([]byte(name)); old != nil {
			text = append(text, old[8:]...)
			if err := ages.Delete(append(append([]byte(nil), old[:8]...), name...)); err != nil {
				return err
			}
		}
		age := binary.BigEndian.AppendUint64(nil, uint64(until.UnixMicro()))
		entry := append(append([]byte(nil), age...), change(text)...)
		return errors.Join(marks.Put([]byte(name), entry), ages.Put(append(age, name...), nil))
	})
	if err != nil {
		return fmt.Errorf("set the mark %s: %w", name, err)
	}
	return nil
}

// expireMarks removes marks that are no longer kept, oldest first, at most trimMore.
func expireMarks(marks, ages bucket, now time.Time) error {
	for range trimMore {
		k, _ := ages.Cursor().First()
		if k == nil || entryTime(k).After(now) {
			return nil
		}
		if err := errors.Join(marks.Delete(k[8:]), ages.Delete(k)); err != nil {
			return err
		}
	}
	return nil
}

// forgetMarks removes the marks that has finds something in.
func forgetMarks(btx *bolt.Tx, has func([]byte) bool) error {
	marks, ages := btx.Bucket(marksBucket), btx.Bucket(marksAgeBucket)
	var found [][]byte
	if err := marks.ForEach(func(k, v []byte) error {
		if has(k) || has(v) {
			found = append(found, bytes.Clone(k))
		}
		return nil
	}); err != nil {
		return err
	}
	for _, k := range found {
		age := append(bytes.Clone(marks.Get(k)[:8]), k...)
		if err := errors.Join(marks.Delete(k), ages.Delete(age)); err != nil {
			return err
		}
	}
	return nil
}
