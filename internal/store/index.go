package store

import (
	"bytes"
	"fmt"
)

// A table is a model as the file holds it.
type table struct {
	model   *Model
	bucket  []byte // id → record
	indexes []*index
}

// An index holds a model's records in the order of a field's values. Its keys are
// the value's and the record's id; those of a unique index are the value's alone,
// and the id is what is stored there. A unique index does not bind null.
type index struct {
	field  *Field
	bucket []byte
}

func newTable(m *Model) *table {
	t := &table{model: m, bucket: []byte("records/" + m.Name)}
	for _, f := range m.indexes {
		t.indexes = append(t.indexes, &index{field: f, bucket: []byte("indexes/" + m.Name + "." + f.Name)})
	}
	return t
}

// index returns the table's index on f, which may be nil.
func (t *table) index(f *Field) (*index, error) {
	for _, x := range t.indexes {
		if x.field == f {
			return x, nil
		}
	}
	return nil, fmt.Errorf("%s has no index on %s", t.model.Name, f.Name)
}

const maxIndexed = 1024 // bytes of a string that an index takes

// sortKey appends the image's place in the index's order: its value, then its id.
func (x *index) sortKey(dst []byte, image *Image) []byte {
	return append(image.Value(x.field).AppendKey(dst), image.ID...)
}

// key appends the key under which the index holds the image.
func (x *index) key(dst []byte, image *Image) []byte {
	value := image.Value(x.field)
	dst = value.AppendKey(dst)
	if x.holdsOnce(value) {
		return dst
	}
	return append(dst, image.ID...)
}

// holdsOnce reports whether the index holds the value once at most.
func (x *index) holdsOnce(value Value) bool { return x.field.Unique && !value.IsNull() }

// A move is a record's way from one key of an index to another; nil is none.
type move struct {
	index    *index
	id       ID
	from, to []byte
	once     bool // no other record may hold the key to
}

// moves appends what the change does to the table's indexes.
func (t *table) moves(dst []move, c *Change) []move {
	for _, x := range t.indexes {
		m := move{index: x, id: c.ID}
		if c.Before != nil {
			m.from = x.key(nil, c.Before)
		}
		if c.After != nil {
			m.to = x.key(nil, c.After)
			m.once = x.holdsOnce(c.After.Value(x.field))
		}
		if !bytes.Equal(m.from, m.to) {
			dst = append(dst, m)
		}
	}
	return dst
}
