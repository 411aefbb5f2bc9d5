package store

import (
	"bytes"
	"fmt"

	"github.com/towerkit/tower/internal/record"
)

// A table is a model's buckets in the file.
type table struct {
	model   *record.Model
	bucket  []byte // id → record
	indexes []*index
	survey  *record.Survey // of the records that did not fit when the store was opened; nil if all did
	unfit   map[record.ID]bool

	surveyTaken bool // a migration has made the survey as it prepared the records

	referring []referring // the fields of all tables that refer to it
}

// An index orders a model's records by the values of a field. Its keys consist of the
// value and the record's id. The keys of a unique index are the value alone, with the
// id as the stored value. Null is never unique. The index of a sparse field has no key for
// a record in which it is empty. The index of a group of fields has the values of all; it
// is unique, and nothing is read by it.
type index struct {
	field  *record.Field
	more   []*record.Field // the other fields of a group
	bucket []byte
}

// name returns the names of the index's fields.
func (x *index) name() string {
	name := x.field.Name
	for _, f := range x.more {
		name += "+" + f.Name
	}
	return name
}

// signature describes what determines the index's keys.
func (x *index) signature() string {
	signature := x.field.Signature()
	for _, f := range x.more {
		signature += "; " + f.Signature()
	}
	return signature
}

const recordsPrefix = "records/"

func newTable(m *record.Model) *table {
	t := &table{model: m, bucket: []byte(recordsPrefix + m.Name)}
	for _, f := range m.Indexes {
		t.indexes = append(t.indexes, &index{field: f, bucket: []byte("indexes/" + m.Name + "." + f.Name)})
	}
	for _, g := range m.Groups {
		t.indexes = append(t.indexes, &index{field: g.Fields[0], more: g.Fields[1:], bucket: []byte("indexes/" + m.Name + "." + g.Name)})
	}
	return t
}

// index returns the table's index on f.
func (t *table) index(f *record.Field) (*index, error) {
	for _, x := range t.indexes {
		if x.field == f && x.more == nil {
			return x, nil
		}
	}
	return nil, fmt.Errorf("%s has no index on %s", t.model.Name, f.Name)
}

const maxIndexed = 1024 // maximum length of a string in an index, in bytes

// sortKey returns the image's position in the order of the index: its value, then its
// id.
func (x *index) sortKey(image *record.Image) []byte {
	return append(image.Value(x.field).AppendKey(nil), image.ID...)
}

// An entry is what an index stores for a record.
type entry struct {
	key   []byte
	value []byte // the id if no other record may have the key, otherwise nil
}

// entry returns the index's entry for a record, the zero entry if the record does not
// fit its model, or if the index is sparse and the field empty.
func (x *index) entry(image *record.Image) entry {
	if !image.Fits() {
		return entry{}
	}
	value := image.Value(x.field)
	if x.more == nil && !x.field.Indexes(value) {
		return entry{}
	}
	key := value.AppendKey(make([]byte, 0, 48))
	unique := (x.field.Unique || x.more != nil) && !value.IsNull()
	for _, f := range x.more {
		value := image.Value(f)
		key = value.AppendKey(key)
		unique = unique && !value.IsNull()
	}
	if unique {
		return entry{key, []byte(image.ID)}
	}
	return entry{append(key, image.ID...), nil}
}

// A move takes a record from one key of an index to another. A nil key is none.
type move struct {
	table    *table
	index    *index
	from, to entry
}

// moves appends the moves that the change causes in the table's indexes.
func (t *table) moves(dst []move, c *Change) []move {
	for _, x := range t.indexes {
		m := move{table: t, index: x}
		if c.Before != nil {
			m.from = x.entry(c.Before)
		}
		if c.After != nil {
			m.to = x.entry(c.After)
		}
		if !bytes.Equal(m.from.key, m.to.key) {
			dst = append(dst, m)
		}
	}
	return dst
}

// A UniqueKey is what a record has alone, by a unique field or a group of fields.
type UniqueKey struct {
	Index  string // names the field or the group
	Number int    // of the field in Model.Indexes, or after these of the group in Model.Groups
	Key    []byte
	Holder record.ID // the record that has it; "" if none does

	index *index
}

// AddTaken adds the problem that another record has the key.
func (u *UniqueKey) AddTaken(problems *record.Problems) { u.index.addTaken(problems) }

// UniqueKeys returns the unique keys of a record, which need not be in the store.
func (s *Snapshot) UniqueKeys(image *record.Image) (keys []UniqueKey, err error) {
	t, err := s.table(image.Model)
	if err != nil {
		return nil, err
	}
	for n, x := range t.indexes {
		if e := x.entry(image); e.value != nil {
			holder := s.btx.Bucket(x.bucket).Get(e.key)
			keys = append(keys, UniqueKey{Index: string(x.bucket), Number: n, Key: e.key, Holder: record.ID(holder), index: x})
		}
	}
	return keys, nil
}
