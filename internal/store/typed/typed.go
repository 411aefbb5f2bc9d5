// Package typed reads and writes the records of models whose structs only an application's API
// names: each has a content, which packages within know.
package typed

import (
	"errors"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Table is a model whose records hold a T. Read returns what a *struct of the model holds,
// which it does not change; Write replaces it.
type Table[T any] struct {
	Model *record.Model
	Read  func(rec any) T
	Write func(rec any, content *T)
}

// Of returns the content of a record.
func (t *Table[T]) Of(image *record.Image) (content T, err error) {
	rec, err := image.Record()
	if err == nil {
		content = t.Read(rec)
	}
	return content, err
}

// Get returns the content of a record as a transaction sees it, and its image, or
// [store.ErrNotFound].
func (t *Table[T]) Get(tx *store.Tx, id record.ID) (content T, image *record.Image, err error) {
	if image, err = tx.Get(t.Model, id); err == nil {
		content, err = t.Of(image)
	}
	return content, image, err
}

// Create creates a record with a content.
func (t *Table[T]) Create(tx *store.Tx, content *T) (*record.Image, error) {
	rec := t.Model.New()
	t.Write(rec, content)
	return tx.Create(t.Model, rec)
}

// Put replaces the content of a record.
func (t *Table[T]) Put(tx *store.Tx, id record.ID, content *T) error {
	_, err := tx.Update(t.Model, id, func(rec any) error {
		t.Write(rec, content)
		return nil
	})
	return err
}

// Scan calls fn with the contents of a range of records, until it returns false.
func (t *Table[T]) Scan(snap *store.Snapshot, in store.Range, fn func(T) bool) error {
	var failed error
	err := snap.Scan(t.Model, in, func(image *record.Image) bool {
		var content T
		if content, failed = t.Of(image); failed != nil {
			return false
		}
		return fn(content)
	})
	return errors.Join(err, failed)
}

// Between returns the range of the records whose text in an indexed field is in from ≤ text < to.
func (t *Table[T]) Between(field, from, to string) store.Range {
	return store.Range{Index: t.Model.Field(field), Min: &store.Bound{Value: record.StringValue(from)}, Max: &store.Bound{Value: record.StringValue(to), Open: true}}
}

// Stamp returns a time as a text. Stamps sort as their times do.
func Stamp(t time.Time) string { return fmt.Sprintf("%017d", max(t.UnixMicro(), 0)) }
