package tables

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/towerkit/tower/internal/record"
)

// rows are records on their way into a table.
type rows struct {
	table   *Table
	ids     []string
	seqs    []int64
	columns []values
}

func (t *Table) newRows() *rows {
	r := &rows{table: t, columns: make([]values, len(t.Columns))}
	for i, c := range t.Columns {
		r.columns[i] = c.codec.list()
	}
	return r
}

// A place is where a record is kept.
type place int

const (
	inTable place = iota // its columns say everything
	inBoth               // the exact bytes are kept as well
	inExact              // it has no row, because it does not fit, or its unique value cannot be held
)

// add says where a record is kept, and adds it to the rows if it has one.
func (r *rows) add(image *record.Image, seq uint64) (place, error) {
	t := r.table
	if !image.Fits() {
		return inExact, nil
	}
	rec, err := image.Copy()
	if err != nil {
		return 0, err
	}
	members, err := t.members(image)
	if err != nil {
		return 0, fmt.Errorf("%s/%s: %w", t.Model.Name, image.ID, err)
	}
	holds := true
	for i, c := range t.Columns {
		if !r.columns[i].add(t.Model.Place(rec, c.Field), members[c.Field.Name]) {
			holds = false
			if c.isUnique() {
				r.cut(i + 1)
				return inExact, nil
			}
		}
	}
	r.ids, r.seqs = append(r.ids, string(image.ID)), append(r.seqs, int64(seq))
	if holds {
		public, private, err := t.Model.Encode(rec)
		holds = err == nil && bytes.Equal(public, image.JSON) && bytes.Equal(private, image.Private)
	}
	if !holds {
		return inBoth, nil
	}
	return inTable, nil
}

// cut takes back what the first columns have of a row that is not added.
func (r *rows) cut(columns int) {
	for _, l := range r.columns[:columns] {
		l.cut(len(r.ids))
	}
}

// members returns the members of a record that columns of jsonb hold.
func (t *Table) members(image *record.Image) (map[string]json.RawMessage, error) {
	if !t.hasJSON() {
		return nil, nil
	}
	raw, err := record.ParseRaw(image.ID, image.JSON, image.Private)
	if err != nil {
		return nil, err
	}
	return raw.Members, nil
}

func (t *Table) hasJSON() bool {
	for _, c := range t.Columns {
		if c.Type == "jsonb" {
			return true
		}
	}
	return false
}
