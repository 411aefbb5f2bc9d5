package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/towerkit/tower/internal/record"
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
//
// With a shared log a mark is a record of the model [Marks], so that all stores have it
// with the commit that sets it.

// Mark returns the text under a name, nil if there is none.
func (s *Store) Mark(name string) (text []byte, err error) {
	if s.marks != nil {
		err = s.View(context.Background(), func(snap *Snapshot) error {
			_, m, err := s.findMark(snap, name)
			if err == nil && m != nil && m.Until.After(s.now()) {
				text = m.text()
			}
			return err
		})
		return text, err
	}
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
// With a shared log it may call change several times, and other stores have the mark as
// soon as they have the newest commit.
func (s *Store) SetMark(name string, until time.Time, change func(text []byte) []byte) error {
	if s.marks != nil {
		_, err := s.Update(context.Background(), "marks", func(tx *Tx) error { return tx.setMark(name, until, change) })
		if err != nil {
			return fmt.Errorf("set the mark %s: %w", name, err)
		}
		return nil
	}
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

// Marks is the name of the model of marks, which stores that share a log have beside the
// application's models.
const Marks = "tower_marks"

// ModelsOfLog returns the models of the records that a shared log has, for a store with these.
func ModelsOfLog(models []*record.Model) []*record.Model {
	return append(slices.Clone(models), newMarks())
}

// A mark is a record of [Marks].
type mark struct {
	record.Record
	Name  string    `json:"name" tower:"unique"`
	Until time.Time `json:"until" tower:"index"`
	Text  string    `json:"text"` // in base64
}

func newMarks() *record.Model {
	m, err := record.NewModel(Marks, &mark{})
	if err != nil {
		panic(err) // the struct is wrong
	}
	return m
}

// imageOfMark returns a new record of a mark.
func imageOfMark(m *record.Model, name string, until time.Time, text []byte) (*record.Image, error) {
	rec := &mark{Name: name, Until: until, Text: base64.StdEncoding.EncodeToString(text)}
	header, err := m.Header(rec)
	if err != nil {
		return nil, err
	}
	header.ID, header.CreatedAt = record.NewID(), time.Now().UTC().Truncate(time.Microsecond)
	header.UpdatedAt = header.CreatedAt
	return m.Freeze(rec, nil)
}

// detachMarks has the file of a replica keep its marks as a store does that shares no log.
func detachMarks(btx *bolt.Tx) error {
	t := newTable(newMarks())
	records := btx.Bucket(t.bucket)
	if records == nil {
		return nil
	}
	marks, ages := btx.Bucket(marksBucket), btx.Bucket(marksAgeBucket)
	if err := records.ForEach(func(k, v []byte) error {
		image, err := decodeRecord(t.model, record.ID(k), v)
		if err != nil {
			return err
		}
		copied, err := image.Copy()
		if err != nil {
			return err
		}
		m := copied.(*mark)
		age := binary.BigEndian.AppendUint64(nil, uint64(m.Until.UnixMicro()))
		return errors.Join(marks.Put([]byte(m.Name), append(bytes.Clone(age), m.text()...)), ages.Put(append(age, m.Name...), nil))
	}); err != nil {
		return err
	}
	for _, name := range append(t.built(btx), t.bucket) {
		if err := drop(btx, name); err != nil {
			return err
		}
	}
	return btx.Bucket(schemaBucket).Delete(t.fitsKey())
}

func (m *mark) text() []byte {
	text, _ := base64.StdEncoding.DecodeString(m.Text) // SetMark has encoded it
	return text
}

// ChangedMark returns the name and the text of the mark that a change of a commit sets. The
// name is "" if it changes another record.
func ChangedMark(c *Change) (name string, text []byte) {
	if c.Model.Name != Marks || c.After == nil {
		return "", nil
	}
	at, in := c.After.Value(c.Model.Field("name")), c.After.Value(c.Model.Field("text"))
	return at.Text(), (&mark{Text: in.Text()}).text()
}

// findMark returns the record of a mark, nil if there is none.
func (s *Store) findMark(snap *Snapshot, name string) (id record.ID, found *mark, err error) {
	at := &Bound{Value: record.StringValue(name)}
	scanned := snap.Scan(s.marks, Range{Index: s.marks.Field("name"), Min: at, Max: at}, func(image *record.Image) bool {
		id = image.ID
		var copied any
		if copied, err = image.Copy(); err == nil {
			found = copied.(*mark)
		}
		return false
	})
	return id, found, errors.Join(scanned, err)
}

// setMark sets a mark, and deletes some that are no longer kept.
func (tx *Tx) setMark(name string, until time.Time, change func(text []byte) []byte) error {
	marks := tx.store.marks
	until = until.UTC().Truncate(time.Microsecond)
	var id record.ID
	var old *mark
	var expired []record.ID
	err := tx.View(context.Background(), func(snap *Snapshot) (err error) {
		if id, old, err = tx.store.findMark(snap, name); err != nil {
			return err
		}
		now := &Bound{Value: record.TimeValue(tx.store.now())}
		return snap.Scan(marks, Range{Index: marks.Field("until"), Max: now}, func(image *record.Image) bool {
			if image.ID != id {
				expired = append(expired, image.ID)
			}
			return len(expired) < trimMore
		})
	})
	for _, one := range expired {
		if err == nil {
			err = tx.Delete(marks, one)
		}
	}
	if err != nil {
		return err
	}
	if old == nil {
		_, err = tx.Create(marks, &mark{Name: name, Until: until, Text: base64.StdEncoding.EncodeToString(change(nil))})
		return err
	}
	_, err = tx.Update(marks, id, func(rec any) error {
		m := rec.(*mark)
		m.Text, m.Until = base64.StdEncoding.EncodeToString(change(m.text())), until
		return nil
	})
	return err
}
