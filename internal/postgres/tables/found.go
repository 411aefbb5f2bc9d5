package tables

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Found is what a database has of a set's tables.
type Found struct {
	Support int  // the version of tower's own tables and functions; 0 if there are none
	Schema  bool // the schema of the tables is there
	Tables  map[string]*FoundTable
}

// A FoundTable is a table as the database has it.
type FoundTable struct {
	Rows     int64 // about; -1 if it is not known
	Columns  map[string]*FoundColumn
	Indexes  map[string]FoundIndex
	Checks   map[string]string // the comment on each, by name
	Triggers map[string]string
}

// A FoundColumn is a column as the database has it.
type FoundColumn struct {
	Type    string
	NotNull bool
	Default bool
	Comment string
}

// A FoundIndex is an index as the database has it.
type FoundIndex struct {
	Valid   bool
	Comment string
}

func (t *FoundTable) rows() string {
	if t.Rows < 0 {
		return "the rows"
	}
	return fmt.Sprintf("about %d rows", t.Rows)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Find reads what the database has.
func (s *Set) Find(ctx context.Context, q Querier) (*Found, error) {
	names := make([]string, len(s.Tables))
	for i, t := range s.Tables {
		names[i] = t.Name
	}
	f := &Found{Tables: map[string]*FoundTable{}}
	if err := f.find(ctx, q, s.Schema, names); err != nil {
		return nil, fmt.Errorf("look at the tables: %w", err)
	}
	return f, nil
}

const (
	findSupport = `SELECT coalesce(substring(obj_description(to_regprocedure('tower.capture()'), 'pg_proc') FROM '^tower ([0-9]{1,9})$')::int, 0), to_regnamespace(quote_ident($1)) IS NOT NULL`
	findTables  = `SELECT c.relname, c.reltuples::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) AND c.relkind IN ('r', 'p')`
	findColumns = `SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '', coalesce(col_description(c.oid, a.attnum), '')
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped`
	findIndexes = `SELECT c.relname, i.relname, x.indisvalid, coalesce(obj_description(i.oid, 'pg_class'), '')
		FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = ANY($2::text[])`
	findChecks = `SELECT c.relname, k.conname, coalesce(obj_description(k.oid, 'pg_constraint'), '')
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) AND k.contype = 'c'`
	findTriggers = `SELECT c.relname, g.tgname, CASE WHEN g.tgenabled = 'A' THEN coalesce(obj_description(g.oid, 'pg_trigger'), '') ELSE '' END
		FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) AND NOT g.tgisinternal`
)

func (f *Found) find(ctx context.Context, q Querier, schema string, names []string) error {
	rows, err := q.Query(ctx, findSupport, schema)
	if err != nil {
		return err
	}
	if _, err := pgx.ForEachRow(rows, []any{&f.Support, &f.Schema}, func() error { return nil }); err != nil {
		return err
	}
	var table, name, text string
	var count int64
	var column FoundColumn
	var valid bool
	for _, part := range []struct {
		sql  string
		dest []any
		add  func()
	}{
		{findTables, []any{&table, &count}, func() {
			f.Tables[table] = &FoundTable{count, map[string]*FoundColumn{}, map[string]FoundIndex{}, map[string]string{}, map[string]string{}}
		}},
		{findColumns, []any{&table, &name, &column.Type, &column.NotNull, &column.Default, &column.Comment}, func() {
			found := column
			f.Tables[table].Columns[name] = &found
		}},
		{findIndexes, []any{&table, &name, &valid, &text}, func() { f.Tables[table].Indexes[name] = FoundIndex{valid, text} }},
		{findChecks, []any{&table, &name, &text}, func() { f.Tables[table].Checks[name] = text }},
		{findTriggers, []any{&table, &name, &text}, func() { f.Tables[table].Triggers[name] = text }},
	} {
		rows, err := q.Query(ctx, part.sql, schema, names)
		if err != nil {
			return err
		}
		if _, err := pgx.ForEachRow(rows, part.dest, func() error {
			if f.Tables[table] != nil {
				part.add()
			} else if part.sql == findTables {
				part.add()
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
