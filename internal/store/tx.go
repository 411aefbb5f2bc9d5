package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// A Tx is a transaction: an overlay of changes over the store, and a memory of
// what it read. It holds no lock and no read transaction, so it may live for as
// long as one likes; what it read is checked when it commits. It is not for
// concurrent use.
type Tx struct {
	store     *Store
	by        string
	over      overlay
	order     []record.Key // of the records in over, by first touch
	rewritten bool         // one of them was touched twice
	reads     map[record.Key]read
	scans     []scanRead
	attempt   *Attempt // the run that it is a part of, or nil
	ended     bool

	forked *forked // nil: it is no fork
}

// A read is what a transaction saw at a key: nil is no record.
type read struct {
	image      *record.Image
	existsOnly bool // only that the record exists matters
}

func (r read) version() uint64 {
	if r.image == nil {
		return 0
	}
	return r.image.Version
}

var errEnded = errors.New("the transaction has ended")

// Begin starts a transaction; by says in the log who makes it.
func (s *Store) Begin(by string) *Tx {
	return &Tx{store: s, by: by, over: overlay{}, reads: map[record.Key]read{}}
}

// Get returns the record as the transaction sees it: its own write, or what the
// store held when it was first read. Without one it returns [ErrNotFound].
func (tx *Tx) Get(m *record.Model, id record.ID) (*record.Image, error) {
	image, err := tx.get(m, id, false)
	if err == nil && image == nil {
		err = notFound(m, id)
	}
	return image, err
}

// get returns nil where there is no record. A loose read is not disturbed by
// changes of the record.
func (tx *Tx) get(m *record.Model, id record.ID, loose bool) (*record.Image, error) {
	if tx.ended {
		return nil, errEnded
	}
	if image, ok := tx.over[m][id]; ok {
		return image, nil
	}
	k := record.Key{Model: m, ID: id}
	if r, ok := tx.reads[k]; ok {
		tx.reads[k] = read{image: r.image, existsOnly: r.existsOnly && loose}
		return r.image, nil
	}
	var image *record.Image
	err := tx.store.View(context.Background(), func(snap *Snapshot) (err error) {
		image, err = snap.Get(m, id)
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	tx.reads[k] = read{image: image, existsOnly: loose && image != nil}
	return image, nil
}

// View calls fn with the newest state as the transaction has changed it. What fn
// reads is remembered. See [Store.View] for what fn may do.
func (tx *Tx) View(ctx context.Context, fn func(*Snapshot) error) error {
	if tx.ended {
		return errEnded
	}
	return tx.store.View(ctx, func(snap *Snapshot) error {
		snap.over, snap.tx = tx.over, tx
		return fn(snap)
	})
}

// Create adds record, a *T of the model, and fills its times and, where it is
// empty, its ID. A record that its rules forbid, or whose ID is taken or is none,
// is an [*InvalidError] and is left as it was.
func (tx *Tx) Create(m *record.Model, rec any) (image *record.Image, err error) {
	if tx.ended {
		return nil, errEnded
	}
	if tx.store.tables[m] == nil {
		return nil, errUnknownModel(m)
	}
	header, err := m.Header(rec)
	if err != nil {
		return nil, err
	}
	given := *header
	defer func() {
		if err != nil {
			*header = given
		}
	}()
	problems := &record.Problems{}
	if err := tx.claim(m, header, problems); err != nil {
		return nil, err
	}
	header.CreatedAt = tx.store.now()
	header.UpdatedAt = header.CreatedAt
	if image, err = tx.freezeValid(m, rec, nil, problems); err != nil {
		return nil, err
	}
	tx.put(m, header.ID, image)
	return image, nil
}

// claim makes sure that the record to be created has an id that is free.
func (tx *Tx) claim(m *record.Model, header *record.Record, problems *record.Problems) error {
	if header.ID == "" {
		header.ID = record.NewID()
		tx.reads[record.Key{Model: m, ID: header.ID}] = read{}
		return nil
	}
	if _, err := record.ParseID(string(header.ID)); err != nil {
		problems.Add("id", "is not an id")
		return nil
	}
	taken, err := tx.get(m, header.ID, false)
	if taken != nil {
		problems.Add("id", "is already taken")
	}
	return err
}

// Update lets fn change the record with that id. fn is given a *T of its own; the
// store keeps ID and CreatedAt as they are and sets UpdatedAt. Where fn changes
// nothing, nothing is written. The errors are fn's own, [ErrNotFound] and
// [*InvalidError].
func (tx *Tx) Update(m *record.Model, id record.ID, fn func(rec any) error) (*record.Image, error) {
	before, err := tx.Get(m, id)
	if err != nil {
		return nil, err
	}
	rec, err := before.Copy()
	if err != nil {
		return nil, err
	}
	header, err := m.Header(rec)
	if err != nil {
		return nil, err
	}
	was := *header
	if err := fn(rec); err != nil {
		return nil, err
	}
	problems := &record.Problems{}
	if header.ID != was.ID {
		problems.Add("id", "cannot be changed")
	}
	if !header.CreatedAt.Equal(was.CreatedAt) {
		problems.Add("createdAt", "cannot be changed")
	}
	header.UpdatedAt = tx.store.now()
	after, err := tx.freezeValid(m, rec, before, problems)
	if err != nil {
		return nil, err
	}
	if before.Same(after) {
		return before, nil
	}
	tx.put(m, id, after)
	return after, nil
}

// Delete removes the record with that id. Without one it returns [ErrNotFound].
func (tx *Tx) Delete(m *record.Model, id record.ID) error {
	if _, err := tx.Get(m, id); err != nil {
		return err
	}
	tx.put(m, id, nil)
	return nil
}

// put lays image, nil for none, over the record that was read before.
func (tx *Tx) put(m *record.Model, id record.ID, image *record.Image) {
	k := record.Key{Model: m, ID: id}
	if tx.forked != nil {
		if _, wrote := tx.forked.was[k]; !wrote {
			tx.forked.was[k] = tx.pending(k)
		}
	}
	if tx.over[m] == nil {
		tx.over[m] = map[record.ID]*record.Image{}
	}
	if _, touched := tx.over[m][id]; touched {
		tx.rewritten = true
	} else {
		tx.order = append(tx.order, k)
	}
	tx.over[m][id] = image
}

// freezeValid freezes record, which is to stand where before is, if nothing forbids it.
func (tx *Tx) freezeValid(m *record.Model, rec any, before *record.Image, problems *record.Problems) (*record.Image, error) {
	if err := record.Validate(rec, problems); err != nil {
		return nil, err
	}
	image, err := m.Freeze(rec)
	if err != nil {
		return nil, err
	}
	for _, f := range m.Fields {
		if err := tx.checkField(f, image, before, problems); err != nil {
			return nil, err
		}
	}
	if problems.Any() {
		return nil, &record.InvalidError{Model: m.Name, Problems: problems}
	}
	return image, nil
}

// checkField checks what the store itself asks of a value: that an index can take
// it, and that a reference, when it is set, leads somewhere.
func (tx *Tx) checkField(f *record.Field, image, before *record.Image, problems *record.Problems) error {
	if !f.Index && !f.Unique && f.Ref == "" {
		return nil
	}
	value := image.Value(f)
	if (f.Index || f.Unique) && len(value.Text()) > maxIndexed {
		problems.Add(f.Name, fmt.Sprintf("is too long to be indexed: at most %d bytes", maxIndexed))
	}
	if f.Ref == "" || value.IsNull() || before != nil && before.Value(f) == value {
		return nil
	}
	to, id := tx.store.Model(f.Ref), record.ID(value.Text())
	if to == image.Model && id == image.ID {
		return nil
	}
	referred, err := tx.get(to, id, true)
	if err == nil && referred == nil {
		problems.Add(f.Name, "does not exist")
	}
	return err
}

// changes returns what the transaction does, taken together.
func (tx *Tx) changes() []Change {
	changes := make([]Change, 0, len(tx.order))
	for _, k := range tx.order {
		if c, ok := changeOf(k, tx.reads[k].image, tx.over[k.Model][k.ID], tx.rewritten); ok {
			changes = append(changes, c)
		}
	}
	return changes
}

// changeOf returns what leads from before to after, if that is anything; nil is no
// record. Images are looked at only if they may be the same.
func changeOf(k record.Key, before, after *record.Image, maySame bool) (Change, bool) {
	c := Change{Op: Update, Model: k.Model, ID: k.ID, Before: before, After: after}
	switch {
	case before == nil && after == nil:
		return c, false
	case before == nil:
		c.Op = Create
	case after == nil:
		c.Op = Delete
	case maySame && before.Same(after):
		return c, false
	}
	return c, true
}

// Commit makes the changes durable, all or none of them, and ends the
// transaction. It waits for the disk. It returns [ErrConflict] when something
// that the transaction read has changed since, and [*InvalidError] when a unique
// value is taken, [*AppliedError] when it is a part of a run
// that comes too late; nothing has happened then, and the transaction stays open.
// When ctx ends while Commit waits, it returns ctx's error, and the commit may
// still happen. A transaction without changes returns the zero Commit, and
// nothing is checked.
func (tx *Tx) Commit(ctx context.Context) (Commit, error) {
	if tx.ended {
		return Commit{}, errEnded
	}
	tx.ended = true
	changes := tx.changes()
	if len(changes) == 0 {
		return Commit{}, nil
	}
	c, err := tx.store.submit(ctx, tx.store.prepare(tx, changes))
	tx.ended = !refused(err)
	return c, err
}

// refused reports whether a commit was answered with a reason not to make it.
func refused(err error) bool {
	var invalid *record.InvalidError
	var applied *AppliedError
	return errors.Is(err, ErrConflict) || errors.As(err, &invalid) || errors.As(err, &applied)
}

// now is the time, as precise as it is stored.
func (s *Store) now() time.Time { return s.options.Now().UTC().Truncate(time.Microsecond) }
