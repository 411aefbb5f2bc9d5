package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/layers"
	"github.com/towerkit/tower/internal/record"
)

// A Tx is a transaction: an overlay of changes over the store, and a record of what
// it read. It holds no lock and no read transaction, so it may stay open
// indefinitely; what it read is checked when it commits. It is not safe for
// concurrent use.
type Tx struct {
	store     *Store
	by        string
	began     uint64 // the newest commit then
	over      overlay
	order     *layers.Trail[record.Key] // keys of over, by first write
	rewritten bool                      // a record was written twice
	reads     layers.Map[record.Key, read]
	scans     *layers.Trail[scanRead]
	attempt   *Attempt // the run that the transaction belongs to, or nil
	trace     any      // see SetTrace
	ended     bool
	restoring map[record.Key]bool // the records that Undo is about to create again
	awaited   Awaited             // not nil while Import runs

	forked *forked // nil if it is not a fork
}

// A read is what a transaction saw at a key; a nil image is no record.
type read struct {
	image      *record.Image
	existsOnly bool // only the existence of the record matters
}

func (r read) version() uint64 {
	if r.image == nil {
		return 0
	}
	return r.image.Version
}

var errEnded = errors.New("the transaction has ended")

// By returns the author that the transaction has in the log.
func (tx *Tx) By() string { return tx.by }

// Begin starts a transaction. by names its author in the log.
func (s *Store) Begin(by string) *Tx {
	return &Tx{store: s, by: by, began: s.Seq(), over: overlay{}}
}

// Get returns the record as the transaction sees it: its own write, or the record as
// first read from the store. It returns [ErrNotFound] if there is none.
func (tx *Tx) Get(m *record.Model, id record.ID) (*record.Image, error) {
	image, err := tx.get(m, id, false)
	if err == nil && image == nil {
		err = notFound(m, id)
	}
	return image, err
}

// get returns nil if there is no record. If existsOnly, later changes of the record
// are not a conflict.
func (tx *Tx) get(m *record.Model, id record.ID, existsOnly bool) (*record.Image, error) {
	if tx.ended {
		return nil, errEnded
	}
	if image, ok := tx.over.get(m, id); ok {
		return image, nil
	}
	k := record.Key{Model: m, ID: id}
	if r, ok := tx.reads.Get(k); ok {
		tx.reads.Set(k, read{image: r.image, existsOnly: r.existsOnly && existsOnly})
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
	tx.reads.Set(k, read{image: image, existsOnly: existsOnly && image != nil})
	return image, nil
}

// View calls fn with the newest state and the transaction's changes. What fn reads is
// added to the read set. See [Store.View] for what fn may do.
func (tx *Tx) View(ctx context.Context, fn func(*Snapshot) error) error {
	if tx.ended {
		return errEnded
	}
	return tx.store.View(ctx, func(snap *Snapshot) error {
		snap.over, snap.tx = tx.over, tx
		return fn(snap)
	})
}

// Create adds rec, a *T of the model, and sets its times and, if it is empty, its ID.
// If the record breaks a rule, or its ID is taken or invalid, Create returns a
// [*record.InvalidError] and leaves rec unchanged.
func (tx *Tx) Create(m *record.Model, rec any) (image *record.Image, err error) {
	return tx.create(m, rec, func(header *record.Record) {
		header.CreatedAt = tx.store.now()
		header.UpdatedAt = header.CreatedAt
	})
}

// create adds rec, whose times date sets.
func (tx *Tx) create(m *record.Model, rec any, date func(*record.Record)) (image *record.Image, err error) {
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
	date(header)
	if image, err = tx.freezeValid(m, rec, nil, nil, problems); err != nil {
		return nil, err
	}
	if err := m.Settle(rec, image); err != nil {
		return nil, err
	}
	tx.put(m, header.ID, image)
	return image, nil
}

// Awaited reports whether a record that a field refers to, and that does not exist, is
// about to be created.
type Awaited func(f *record.Field, id record.ID) bool

// Import is like Create, for a record that was stored elsewhere: it keeps the times that the record
// has, and a reference may lead to a record that is awaited.
func (tx *Tx) Import(m *record.Model, rec any, awaited Awaited) (image *record.Image, err error) {
	tx.awaited = awaited
	defer func() { tx.awaited = nil }()
	return tx.create(m, rec, func(header *record.Record) {
		if header.CreatedAt.IsZero() {
			header.CreatedAt = tx.store.now()
		}
		if header.UpdatedAt.IsZero() {
			header.UpdatedAt = header.CreatedAt
		}
		for _, at := range [...]*time.Time{&header.CreatedAt, &header.UpdatedAt} {
			*at = at.UTC().Truncate(time.Microsecond)
		}
	})
}

// claim gives a new record an ID, or adds a problem if the record's own is not free.
func (tx *Tx) claim(m *record.Model, header *record.Record, problems *record.Problems) error {
	if header.ID == "" {
		header.ID = record.NewID()
		tx.reads.Set(record.Key{Model: m, ID: header.ID}, read{})
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

// Update lets fn change the record with that id. fn receives a *T of its own; the
// store keeps ID and CreatedAt and sets UpdatedAt. A record that does not fit its model
// is mended if fn sets the fields that do not fit; fn is then called twice. If fn changes nothing, nothing is
// written. Update returns fn's error, [ErrNotFound] or a [*record.InvalidError].
func (tx *Tx) Update(m *record.Model, id record.ID, fn func(rec any) error) (*record.Image, error) {
	before, err := tx.Get(m, id)
	if err != nil {
		return nil, err
	}
	problems := &record.Problems{}
	var was record.Record
	change := func(rec any) error {
		header, err := m.Header(rec)
		if err == nil {
			was = *header
			err = fn(rec)
		}
		return err
	}
	rec, err := changed(before, change, problems)
	if err != nil {
		return nil, err
	}
	header, err := m.Header(rec)
	if err != nil {
		return nil, err
	}
	if header.ID != was.ID {
		problems.Add("id", "cannot be changed")
	}
	if !header.CreatedAt.Equal(was.CreatedAt) {
		problems.Add("createdAt", "cannot be changed")
	}
	header.UpdatedAt = tx.store.now()
	after, err := tx.freezeValid(m, rec, before, before, problems)
	if err != nil {
		return nil, err
	}
	if before.Same(after) {
		return before, nil
	}
	tx.put(m, id, after)
	return after, nil
}

// changed returns a copy of a record that fn has changed. It adds a problem for each
// field that does not fit its model and that fn has not set.
func changed(before *record.Image, fn func(rec any) error, problems *record.Problems) (any, error) {
	if !before.Fits() {
		return before.Mend(fn, problems)
	}
	rec, err := before.Copy()
	if err == nil {
		err = fn(rec)
	}
	return rec, err
}

// Delete removes the record with that id, or returns [ErrNotFound]. It does with the
// records that refer to it what their fields declare, and returns a [*ReferredError]
// and changes nothing if one of them refuses.
func (tx *Tx) Delete(m *record.Model, id record.ID) error {
	if _, err := tx.Get(m, id); err != nil {
		return err
	}
	if len(tx.store.tables[m].referring) == 0 {
		tx.put(m, id, nil)
		return nil
	}
	return tx.deleteReferred(record.Key{Model: m, ID: id})
}

// put writes image, nil for none, at a key that the transaction has read.
func (tx *Tx) put(m *record.Model, id record.ID, image *record.Image) {
	k := record.Key{Model: m, ID: id}
	if tx.forked != nil {
		if _, wrote := tx.forked.origin[k]; !wrote {
			tx.forked.origin[k] = tx.pending(k)
		}
	}
	if _, touched := tx.over.get(m, id); touched {
		tx.rewritten = true
	} else {
		tx.order = tx.order.Add(k)
	}
	tx.over.set(m, id, image)
}

// freezeValid returns the image of rec, which replaces before, or an error if it is
// invalid. It keeps what kept has of fields that the struct does not name.
func (tx *Tx) freezeValid(m *record.Model, rec any, before, kept *record.Image, problems *record.Problems) (*record.Image, error) {
	if err := record.Validate(rec, problems); err != nil {
		return nil, err
	}
	image, err := m.Freeze(rec, kept)
	var unstorable *record.InvalidError
	if errors.As(err, &unstorable) {
		problems.Join(unstorable.Problems)
		return nil, &record.InvalidError{Model: m.Name, Problems: problems}
	}
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

// checkField checks the store's own rules for a value: an index must be able to hold
// it, and a reference that is set must lead to a record.
func (tx *Tx) checkField(f *record.Field, image, before *record.Image, problems *record.Problems) error {
	if f.File != nil {
		return tx.checkFile(f, image, before, problems)
	}
	if !f.Index && !f.Unique && !f.Grouped && f.Ref == "" {
		return nil
	}
	value := image.Value(f)
	if (f.Index || f.Unique || f.Grouped) && len(value.Text()) > maxIndexed {
		problems.Add(f.Name, fmt.Sprintf("is too long to be indexed: at most %d bytes", maxIndexed))
	}
	if f.Ref == "" || value.IsNull() || before != nil && before.Value(f) == value {
		return nil
	}
	to, id := tx.store.Model(f.Ref), record.ID(value.Text())
	if to == image.Model && id == image.ID || tx.restoring[record.Key{Model: to, ID: id}] {
		return nil
	}
	referred, err := tx.get(to, id, true)
	if err == nil && referred == nil && (tx.awaited == nil || !tx.awaited(f, id)) {
		problems.Add(f.Name, "does not exist")
	}
	return err
}

// checkFile checks a file that the record before did not have.
func (tx *Tx) checkFile(f *record.Field, image, before *record.Image, problems *record.Problems) error {
	file := image.File(f)
	if file == (record.File{}) || before != nil && before.File(f) == file {
		return nil
	}
	problem := cmp.Or(f.File.TypeProblem(file.Type), f.File.SizeProblem(file.Size))
	if problem == "" && tx.store.options.Attach != nil {
		var err error
		if problem, err = tx.store.options.Attach(tx, f, file); err != nil {
			return fmt.Errorf("attach the file %s: %w", file.ID, err)
		}
	}
	if problem != "" {
		problems.Add(f.Name, problem)
	}
	return nil
}

// changes returns the net effect of the transaction.
func (tx *Tx) changes() []Change {
	changes := make([]Change, 0, tx.order.Len())
	for _, k := range tx.order.Since(0) {
		before, _ := tx.reads.Get(k)
		after, _ := tx.over.get(k.Model, k.ID)
		if c, ok := changeOf(k, before.image, after, tx.rewritten); ok {
			changes = append(changes, c)
		}
	}
	return changes
}

// changeOf returns the change from before to after, and false if there is none; nil
// is no record. It compares the images only if maySame.
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

// Commit makes the changes durable, all or none of them, and ends the transaction. It
// waits for the disk.
//
// It returns [ErrConflict] if something that the transaction read has changed, a
// [*record.InvalidError] if a unique value is taken, and an [*AppliedError] if the
// transaction belongs to a run and another run came first. Nothing was written then,
// and the transaction stays open. If ctx ends while Commit waits, it returns ctx's
// error, and the commit may still happen. A transaction without changes returns the
// zero Commit and is not checked.
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

// refused reports whether err means that the commit was rejected and nothing was
// written.
func refused(err error) bool {
	var invalid *record.InvalidError
	var applied *AppliedError
	return errors.Is(err, ErrConflict) || errors.As(err, &invalid) || errors.As(err, &applied)
}

// Now returns the time of the store's clock, as records have it.
func (tx *Tx) Now() time.Time { return tx.store.now() }

// Now returns the time of the store's clock, as records have it.
func (s *Store) Now() time.Time { return s.now() }

// now returns the time with the precision that is stored.
func (s *Store) now() time.Time { return s.options.Now().UTC().Truncate(time.Microsecond) }
