package tables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// A Set is the tables of an application's models. It does not change after [New].
type Set struct {
	Schema string // of the tables in the database
	Tables []*Table

	byModel map[*record.Model]*Table
}

// A Table holds the records of a model.
type Table struct {
	Model   *record.Model
	Name    string
	Columns []*Column // of the fields, in their order
	Indexes []*Index

	schema string
}

// A Column holds a field.
type Column struct {
	Field   *record.Field
	Name    string
	Type    string // as PostgreSQL spells it
	NotNull bool
	Default string // in SQL; "" is none
	Comment string
	Check   string // in SQL, what other programs must observe; "" is anything

	codec codec
}

// An Index is one that the model declares.
type Index struct {
	Name    string
	Columns []*Column
	Unique  bool
	Where   string // in SQL, of a unique index: which rows are in it; "" is all
}

// seqColumn has the number of the commit that wrote a row.
const seqColumn = "tower_seq"

// New returns the tables of models in a schema; "" is public. It returns an error if names
// collide, or are too long.
func New(models []*record.Model, schema string) (*Set, error) {
	if schema == "" {
		schema = "public"
	}
	s := &Set{Schema: schema, byModel: map[*record.Model]*Table{}}
	names := map[string]*record.Model{}
	for _, m := range models {
		t, err := newTable(m, schema)
		if err != nil {
			return nil, fmt.Errorf("the table of model %s: %w", m.Name, err)
		}
		if other := names[t.Name]; other != nil {
			return nil, fmt.Errorf("the models %s and %s both have the table %s: rename one of them", other.Name, m.Name, t.Name)
		}
		names[t.Name] = m
		s.Tables, s.byModel[m] = append(s.Tables, t), t
	}
	return s, nil
}

// Of returns the table of a model, or nil.
func (s *Set) Of(m *record.Model) *Table { return s.byModel[m] }

// Named returns the table with that name, or nil.
func (s *Set) Named(name string) *Table {
	for _, t := range s.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func newTable(m *record.Model, schema string) (*Table, error) {
	t := &Table{Model: m, Name: snake(m.Name), schema: schema}
	if len(t.Name) > maxName {
		return nil, fmt.Errorf("the name %s is longer than %d bytes", t.Name, maxName)
	}
	names := map[string]*record.Field{seqColumn: nil}
	byField := map[*record.Field]*Column{}
	for _, f := range m.Fields {
		c := newColumn(m, f)
		other, taken := names[c.Name]
		switch {
		case taken && other == nil:
			return nil, fmt.Errorf("field %s has the column %s, which the table has for itself; give it another name: tower:\"column=NAME\"", f.GoName, c.Name)
		case taken:
			return nil, fmt.Errorf("the fields %s and %s both have the column %s; give one of them another name: tower:\"column=NAME\"", other.GoName, f.GoName, c.Name)
		case len(c.Name) > maxName:
			return nil, fmt.Errorf("field %s has the column %s, which is longer than %d bytes; give it another name: tower:\"column=NAME\"", f.GoName, c.Name, maxName)
		case strings.ContainsRune(c.Name, 0):
			return nil, fmt.Errorf("field %s has a name that a column cannot have; give it another name: tower:\"column=NAME\"", f.GoName)
		}
		names[c.Name], byField[f] = f, c
		t.Columns = append(t.Columns, c)
	}
	for _, f := range m.Fields {
		if f.Index || f.Unique || f.Ref != "" {
			t.addIndex(f.Unique, byField[f])
		}
	}
	for _, g := range m.Groups {
		var columns []*Column
		for _, f := range g.Fields {
			columns = append(columns, byField[f])
		}
		t.addIndex(true, columns...)
	}
	return t, nil
}

// addIndex adds an index. A record whose field is null is not in a unique one.
func (t *Table) addIndex(unique bool, columns ...*Column) {
	x := &Index{Columns: columns, Unique: unique}
	name, kind := t.Name, "idx"
	var where []string
	for _, c := range columns {
		name += "_" + c.Name
		if !unique {
			continue
		}
		switch {
		case c.Field.Ref != "":
			where = append(where, quote(c.Name)+" <> ''")
		case c.Field.Kind == record.Time:
			where = append(where, quote(c.Name)+" <> "+zeroTime)
		}
	}
	if unique {
		kind = "key"
	}
	x.Name, x.Where = shortened(name+"_"+kind), strings.Join(where, " AND ")
	t.Indexes = append(t.Indexes, x)
}

// isUnique reports whether a record must have the column's value alone, or together with
// others.
func (c *Column) isUnique() bool { return c.Field.Unique || c.Field.Grouped }

// sql returns the table's name in SQL.
func (t *Table) sql() string { return quote(t.schema, t.Name) }

// column returns the column with that name, or nil.
func (t *Table) column(name string) *Column {
	i := slices.IndexFunc(t.Columns, func(c *Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return t.Columns[i]
}
