package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/towerkit/tower/internal/layers"
	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// A Snapshot is one state of the store. It is valid until the function that received
// it returns. It is not safe for concurrent use.
type Snapshot struct {
	store *Store
	ctx   context.Context
	btx   *bolt.Tx
	seq   uint64
	over  overlay
	tx    *Tx // the transaction whose read set grows, or nil

	examined int // records that were read
}

// An overlay holds records that replace the file's: undone, or not committed yet. A nil image is a record that does not exist.
type overlay map[*record.Model]*layers.Map[record.ID, *record.Image]

func (o overlay) get(m *record.Model, id record.ID) (image *record.Image, ok bool) {
	if images := o[m]; images != nil {
		return images.Get(id)
	}
	return nil, false
}

func (o overlay) set(m *record.Model, id record.ID, image *record.Image) {
	if o[m] == nil {
		o[m] = &layers.Map[record.ID, *record.Image]{}
	}
	o[m].Set(id, image)
}

// copy returns a copy, as [layers.Map.Copy] does.
func (o overlay) copy() overlay {
	copied := make(overlay, len(o))
	for m, images := range o {
		own := images.Copy()
		copied[m] = &own
	}
	return copied
}

// Seq returns the number of the commit after which the snapshot was taken. Pending
// changes of a transaction do not count.
func (s *Snapshot) Seq() uint64 { return s.seq }

// Get returns the record with that id, or [ErrNotFound].
func (s *Snapshot) Get(m *record.Model, id record.ID) (*record.Image, error) {
	t, err := s.table(m)
	if err != nil {
		return nil, err
	}
	s.examined++
	image, over := s.over.get(m, id)
	if !over {
		if image, err = s.load(t, id); err != nil {
			return nil, err
		}
		if s.tx != nil {
			s.tx.remember(m, id, image)
		}
	}
	if image == nil {
		return nil, notFound(m, id)
	}
	return image, nil
}

func (s *Snapshot) table(m *record.Model) (*table, error) {
	if s.btx == nil {
		return nil, errors.New("the snapshot was used after its View had returned")
	}
	t := s.store.tables[m]
	if t == nil {
		return nil, errUnknownModel(m)
	}
	return t, nil
}

// load returns the record in the file, or nil.
func (s *Snapshot) load(t *table, id record.ID) (*record.Image, error) {
	data := s.btx.Bucket(t.bucket).Get([]byte(id))
	if data == nil {
		return nil, nil
	}
	return t.image(id, bytes.Clone(data))
}

func notFound(m *record.Model, id record.ID) error {
	return fmt.Errorf("%s/%s: %w", m.Name, id, ErrNotFound)
}

func errUnknownModel(m *record.Model) error {
	return fmt.Errorf("the store was opened without the model %s", m.Name)
}

// undo adds to the overlay what the changes found before them, except for records
// that an earlier change has added.
func (o overlay) undo(changes []Change) {
	for i := range changes {
		c := &changes[i]
		if _, known := o.get(c.Model, c.ID); !known {
			o.set(c.Model, c.ID, fitting(c.Before))
		}
	}
}

// fitting returns the image if it fits its model, and nil otherwise: then no list has
// the record.
func fitting(image *record.Image) *record.Image {
	if image == nil || !image.Fits() {
		return nil
	}
	return image
}

// Changes returns the net effect of the transaction so far. The images are frozen,
// and have no version yet.
func (tx *Tx) Changes() []Change { return tx.changes() }

// ViewUntracked is View without tracking: what fn reads may change before the commit.
func (tx *Tx) ViewUntracked(ctx context.Context, fn func(*Snapshot) error) error {
	if tx.ended {
		return errEnded
	}
	return tx.store.View(ctx, func(snap *Snapshot) error {
		snap.over = tx.over
		return fn(snap)
	})
}

// Preview returns the commit that the transaction would make now if it were the next
// one after seq. It does not make the commit, which is good only for
// [Store.ViewWith].
func (tx *Tx) Preview(ctx context.Context, seq uint64) (Commit, error) {
	if tx.ended {
		return Commit{}, errEnded
	}
	c := Commit{Seq: seq + 1, At: tx.store.now(), By: tx.by}
	err := tx.store.ViewAt(ctx, seq, func(snap *Snapshot) error {
		for _, k := range tx.order.Since(0) {
			before, err := snap.Get(k.Model, k.ID)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			after, _ := tx.over.get(k.Model, k.ID)
			if change, ok := changeOf(k, before, after, true); ok {
				if change.After != nil {
					change.After = change.After.WithVersion(c.Seq)
				}
				c.Changes = append(c.Changes, change)
			}
		}
		return nil
	})
	return c, err
}

// ViewWith calls fn with the state that a previewed commit would leave: the state
// before it, with its changes. It fails as ViewAt does.
func (s *Store) ViewWith(ctx context.Context, c Commit, fn func(*Snapshot) error) error {
	return s.ViewAt(ctx, c.Seq-1, func(snap *Snapshot) error {
		for i := range c.Changes {
			change := &c.Changes[i]
			snap.over.set(change.Model, change.ID, change.After)
		}
		snap.seq = c.Seq
		return fn(snap)
	})
}
