package store

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/layers"
	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// A Range is a part of a model's records in the order of an index: by value, then by
// id. Null comes before every value.
type Range struct {
	Index    *record.Field // nil is in the order of ids
	Min, Max *Bound        // nil is unbounded
	Reverse  bool          // reverses values and ids

	// After is a record of the range; the scan begins after it, in the range's order. nil is
	// the beginning.
	After *record.Image

	// Relevant reports whether a record matters to a transaction that scans the
	// range. If others in it change, come or go, that is not a conflict. It must
	// depend on the record alone. nil is all records.
	Relevant func(*record.Image) bool
}

// A Bound is where a range begins or ends: at its value, or just beside it if Open.
// Without an index, the value is an id as a string.
type Bound struct {
	Value record.Value
	Open  bool
}

// A span is a range of keys: lo ≤ key < hi; nil is unbounded.
type span struct {
	index  *index // nil is ids
	lo, hi []byte
}

func (t *table) span(r Range) (span, error) {
	sp := span{}
	if r.Index != nil {
		x, err := t.index(r.Index)
		if err != nil {
			return sp, err
		}
		sp.index = x
	}
	if r.Min != nil {
		sp.lo = sp.bound(r.Min.Value)
		if r.Min.Open {
			sp.lo = append(sp.lo, sp.after())
		}
	}
	if r.Max != nil {
		sp.hi = sp.bound(r.Max.Value)
		if !r.Max.Open {
			sp.hi = append(sp.hi, sp.after())
		}
	}
	if r.After != nil {
		sp.skip(r.After, r.Reverse)
	}
	return sp, nil
}

// skip makes the span begin after a record.
func (sp *span) skip(image *record.Image, reverse bool) {
	switch {
	case !reverse:
		sp.lo = append(sp.key(image), 0)
	case sp.index == nil:
		sp.hi = sp.key(image)
	default:
		sp.hi = sp.index.entry(image).key // without the id if it is unique
	}
}

func (sp *span) bound(v record.Value) []byte {
	if sp.index == nil {
		return []byte(v.Text())
	}
	return v.AppendKey(nil)
}

// after returns the byte that, appended to a bound's key, makes a key after everything
// with the bound's value: after every id that can follow the value, or just after the
// id itself.
func (sp *span) after() byte {
	if sp.index == nil {
		return 0
	}
	return 0xff
}

// key returns the image's key in the order of the span.
func (sp *span) key(image *record.Image) []byte {
	if sp.index == nil {
		return []byte(image.ID)
	}
	return sp.index.sortKey(image)
}

func (sp *span) contains(key []byte) bool {
	return bytes.Compare(key, sp.lo) >= 0 && (sp.hi == nil || bytes.Compare(key, sp.hi) < 0)
}

// Scan yields the range's records that fit the model in its order until yield returns false or the
// snapshot's context ends.
func (s *Snapshot) Scan(m *record.Model, r Range, yield func(*record.Image) bool) error {
	t, err := s.table(m)
	if err != nil {
		return err
	}
	sp, err := t.span(r)
	if err != nil {
		return err
	}
	w := s.walk(t, sp, r.Reverse)
	last, err := s.merge(w, s.overlayRows(m, &sp, r.Reverse), yield)
	if s.tx != nil {
		s.tx.rememberScan(m, sp, &r, last, s.seq)
	}
	return err
}

// All yields all records of a model after an id, in the order of ids, those that do not fit it
// as well, until yield returns false.
func (s *Snapshot) All(m *record.Model, after record.ID, yield func(*record.Image) bool) error {
	t, err := s.table(m)
	if err != nil {
		return err
	}
	sp := span{}
	if after != "" {
		sp.lo = append([]byte(after), 0)
	}
	w := s.walk(t, sp, false)
	w.unfit = true
	_, err = s.merge(w, s.overlayRows(m, &sp, false), yield)
	return err
}

// An overlayRow is an image of an overlay with its key in the order of a scan.
type overlayRow struct {
	key   []byte
	image *record.Image
}

// overlayRows returns the overlay's images in the span, in order.
func (s *Snapshot) overlayRows(m *record.Model, sp *span, reverse bool) []overlayRow {
	if s.over[m] == nil {
		return nil
	}
	var images []overlayRow
	for _, image := range s.over[m].All() {
		if image == nil {
			continue
		}
		if k := sp.key(image); sp.contains(k) {
			images = append(images, overlayRow{k, image})
		}
	}
	slices.SortFunc(images, func(a, b overlayRow) int {
		if reverse {
			a, b = b, a
		}
		return bytes.Compare(a.key, b.key)
	})
	return images
}

// merge yields, in one order, the images of the overlay and those in the file that
// the overlay does not replace. It returns the key at which yield returned false, or
// nil.
func (s *Snapshot) merge(w *walk, over []overlayRow, yield func(*record.Image) bool) (last []byte, err error) {
	hidden := s.over[w.table.model]
	for n := 0; ; n++ {
		if n%256 == 0 && s.ctx.Err() != nil {
			return nil, s.ctx.Err()
		}
		id, ok := w.id()
		if !ok || len(over) > 0 && w.passed(over[0].key) {
			if len(over) == 0 {
				return nil, nil
			}
			if s.examined++; !yield(over[0].image) {
				return over[0].key, nil
			}
			over = over[1:]
			continue
		}
		if !hides(hidden, id) {
			image, err := w.image(id)
			if err != nil {
				return nil, err
			}
			if s.examined++; (w.unfit || image.Fits()) && !yield(image) {
				return w.sortKey(), nil
			}
		}
		w.next()
	}
}

// hides reports whether an overlay's images, if any, replace the record with that id.
func hides(images *layers.Map[record.ID, *record.Image], id []byte) bool {
	if images == nil {
		return false
	}
	_, found := images.Get(record.ID(id))
	return found
}

// A walk iterates over the keys of a span in the file.
type walk struct {
	table   *table
	span    span
	reverse bool
	cursor  *bolt.Cursor // of the index, or of the records
	records *bolt.Cursor // nil without an index
	k, v    []byte
	unfit   bool // records that do not fit are wanted too
}

func (s *Snapshot) walk(t *table, sp span, reverse bool) *walk {
	w := &walk{table: t, span: sp, reverse: reverse}
	records := s.btx.Bucket(t.bucket).Cursor()
	if w.cursor = records; sp.index != nil {
		w.cursor, w.records = s.btx.Bucket(sp.index.bucket).Cursor(), records
	}
	switch {
	case !reverse:
		w.k, w.v = w.cursor.Seek(sp.lo)
	case sp.hi == nil:
		w.k, w.v = w.cursor.Last()
	default:
		if w.k, w.v = w.cursor.Seek(sp.hi); w.k == nil {
			w.k, w.v = w.cursor.Last()
		} else {
			w.k, w.v = w.cursor.Prev()
		}
	}
	return w
}

func (w *walk) next() {
	if w.reverse {
		w.k, w.v = w.cursor.Prev()
	} else {
		w.k, w.v = w.cursor.Next()
	}
}

// id returns the id of the current record, or false at the end.
func (w *walk) id() ([]byte, bool) {
	if w.k == nil || !w.span.contains(w.k) {
		return nil, false
	}
	switch {
	case w.span.index == nil:
		return w.k, true
	case len(w.v) > 0:
		return w.v, true
	default:
		return w.k[len(w.k)-record.IDSize:], true
	}
}

// sortKey returns the key of the current record in the order of the span.
func (w *walk) sortKey() []byte {
	k := bytes.Clone(w.k)
	if w.span.index != nil {
		k = append(k, w.v...)
	}
	return k
}

// passed reports whether the walk has passed key.
func (w *walk) passed(key []byte) bool {
	order := bytes.Compare(w.k, key)
	if id, same := bytes.CutPrefix(key, w.k); same && w.span.index != nil && len(w.v) > 0 {
		order = bytes.Compare(w.v, id)
	}
	if w.reverse {
		return order < 0
	}
	return order > 0
}

func (w *walk) image(id []byte) (*record.Image, error) {
	data := w.v
	if w.records != nil {
		var k []byte
		if k, data = w.records.Seek(id); !bytes.Equal(k, id) {
			return nil, fmt.Errorf("%s/%s is in the index %s but does not exist: %w", w.table.model.Name, id, w.span.index.field.Name, errDamaged)
		}
	}
	return w.table.image(record.ID(id), bytes.Clone(data))
}
