package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/record"
)

// maxReferred is how many records one deletion may delete and change.
const maxReferred = 10_000

// A ReferredError reports that a record cannot be deleted, because another refers to it
// by a field with delete=refuse.
type ReferredError struct {
	Model *record.Model
	ID    record.ID
	By    record.Key
	Field *record.Field
}

func (e *ReferredError) Error() string {
	return fmt.Sprintf("%s/%s cannot be deleted: %s of %s/%s refers to it", e.Model.Name, e.ID, e.Field.Name, e.By.Model.Name, e.By.ID)
}

// A referring is a field that refers to the records of a table, and does something when
// one of them is deleted.
type referring struct {
	model *record.Model
	field *record.Field
}

// addReferring notes in each table which fields refer to it.
func (s *Store) addReferring() {
	for _, m := range s.options.Models {
		for _, f := range m.Fields {
			if to := s.tables[s.models[f.Ref]]; f.OnDelete != "" && to != nil {
				to.referring = append(to.referring, referring{m, f})
			}
		}
	}
}

// Belongings are what is erased with a record, and what is changed.
type Belongings struct {
	Deleted []record.Key // the record, and what refers to it by fields with delete=cascade; each after the one because of which it is deleted
	Cleared []Reference  // fields of other records that refer to one of them
	Refused []*ReferredError
}

// A Reference is a field of a record that refers to another.
type Reference struct {
	record.Key
	Field *record.Field
}

// Belongings finds what is erased with a record. Unlike a deletion, that clears the
// references that would be left as they are, by fields without delete=. It reads all
// records of models with such fields.
func (tx *Tx) Belongings(ctx context.Context, k record.Key) (b Belongings, err error) {
	d := &deletion{deleted: []record.Key{k}, gone: map[record.Key]bool{k: true}}
	err = tx.View(ctx, func(snap *Snapshot) error {
		for next := 0; next < len(d.deleted); next++ {
			for _, m := range tx.store.options.Models {
				for _, f := range m.Fields {
					if err := d.find(snap, d.deleted[next], m, f); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	b.Deleted = d.deleted
	for _, r := range d.cleared {
		if !d.gone[r.Key] {
			b.Cleared = append(b.Cleared, r)
		}
	}
	for _, refusal := range d.refused {
		if !d.gone[refusal.By] {
			b.Refused = append(b.Refused, refusal)
		}
	}
	return b, err
}

// find follows a field's references to a record that is erased.
func (d *deletion) find(snap *Snapshot, k record.Key, m *record.Model, f *record.Field) error {
	if f.Ref != k.Model.Name {
		return nil
	}
	id := record.StringValue(string(k.ID))
	refers := func(image *record.Image) bool { return image.Value(f) == id }
	r := Range{Relevant: refers}
	if f.Index || f.Unique {
		r = Range{Index: f, Min: &Bound{Value: id}, Max: &Bound{Value: id}}
	}
	return snap.Scan(m, r, func(image *record.Image) bool {
		if by := (record.Key{Model: m, ID: image.ID}); refers(image) && by != k {
			d.add(k, f, by)
		}
		return true
	})
}

// Erase clears references and deletes records, last ones first, and does with what refers to
// them nothing else. It returns the records as they were.
func (tx *Tx) Erase(b Belongings) (erased []*record.Image, err error) {
	for _, r := range b.Cleared {
		if _, err := tx.Update(r.Model, r.ID, func(rec any) error {
			r.Model.Clear(rec, r.Field)
			return nil
		}); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("clear %s of %s/%s: %w", r.Field.Name, r.Model.Name, r.ID, err)
		}
	}
	for _, k := range slices.Backward(b.Deleted) {
		image, err := tx.Get(k.Model, k.ID)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		erased = append(erased, image)
		tx.put(k.Model, k.ID, nil)
	}
	return erased, nil
}

// A deletion is what deleting one record does to others.
type deletion struct {
	deleted []record.Key // each after the one because of which it is deleted
	gone    map[record.Key]bool
	cleared []Reference
	refused []*ReferredError
}

// deleteReferred deletes a record, and what refers to it, or nothing.
func (tx *Tx) deleteReferred(k record.Key) error {
	d := &deletion{deleted: []record.Key{k}, gone: map[record.Key]bool{k: true}}
	if err := tx.View(context.Background(), func(snap *Snapshot) error { return d.collect(snap) }); err != nil {
		return err
	}
	for _, refusal := range d.refused {
		if !d.gone[refusal.By] {
			return refusal
		}
	}
	if len(d.deleted)+len(d.cleared) == 1 {
		tx.put(k.Model, k.ID, nil)
		return nil
	}
	fork := tx.Fork()
	if err := fork.applyDeletion(d); err != nil {
		return err
	}
	return tx.Join(fork)
}

// collect follows the references to the records that are deleted.
func (d *deletion) collect(snap *Snapshot) error {
	for next := 0; next < len(d.deleted); next++ {
		k := d.deleted[next]
		bound := &Bound{Value: record.StringValue(string(k.ID))}
		for _, r := range snap.store.tables[k.Model].referring {
			err := snap.Scan(r.model, Range{Index: r.field, Min: bound, Max: bound}, func(image *record.Image) bool {
				d.add(k, r.field, record.Key{Model: r.model, ID: image.ID})
				return len(d.deleted)+len(d.cleared) <= maxReferred
			})
			if err != nil {
				return err
			}
			if len(d.deleted)+len(d.cleared) > maxReferred {
				problems := &record.Problems{}
				problems.Add("", fmt.Sprintf("more than %d records would be deleted or changed with it; delete some of them first", maxReferred))
				return &record.InvalidError{Model: d.deleted[0].Model.Name, Problems: problems}
			}
		}
	}
	return nil
}

func (d *deletion) add(to record.Key, f *record.Field, by record.Key) {
	switch f.OnDelete {
	case record.Refuse:
		d.refused = append(d.refused, &ReferredError{to.Model, to.ID, by, f})
	case record.ClearRef, "":
		d.cleared = append(d.cleared, Reference{by, f})
	case record.Cascade:
		if !d.gone[by] {
			d.gone[by] = true
			d.deleted = append(d.deleted, by)
		}
	}
}

// applyDeletion deletes what refers to a record before the record, so that Undo creates
// the record first.
func (tx *Tx) applyDeletion(d *deletion) error {
	for _, r := range d.cleared {
		if d.gone[r.Key] {
			continue
		}
		_, err := tx.Update(r.Model, r.ID, func(rec any) error {
			r.Model.Clear(rec, r.Field)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, k := range slices.Backward(d.deleted) {
		if _, err := tx.Get(k.Model, k.ID); err != nil {
			return err
		}
		tx.put(k.Model, k.ID, nil)
	}
	return nil
}
