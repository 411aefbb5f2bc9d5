package tables

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Querier is a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readGroup is how many bytes of records are handed over at once.
const readGroup = 1 << 20

// Read calls fn with all records as of the newest commit, some of a model at a time, in the
// order of their ids: without what other programs have written and no commit has. The bytes
// of the rows are fn's to keep. q must see one state of the database: a transaction that is
// REPEATABLE READ.
func (s *Set) Read(ctx context.Context, q Querier, fn func(model string, rows []store.Row) error) error {
	for _, t := range s.Tables {
		if err := t.Read(ctx, q, func(rows []store.Row) error { return fn(t.Model.Name, rows) }); err != nil {
			return err
		}
	}
	return nil
}

// selectSQL reads the columns of all rows, in the order of their ids, and the commit of each: that
// of a row which another program has written is beside it.
func (t *Table) selectSQL() string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, c.codec.read(quote(c.Name)))
	}
	return fmt.Sprintf("SELECT %s, greatest(%s, adopted_at) FROM %s LEFT JOIN (SELECT id AS adopted_id, seq AS adopted_at FROM tower.adopted WHERE model = $1) AS a ON adopted_id = id ORDER BY id",
		strings.Join(names, ", "), seqColumn, t.sql())
}

// Read calls fn with the records of one table, as [Set.Read] does.
func (t *Table) Read(ctx context.Context, q Querier, fn func([]store.Row) error) error {
	if err := t.read(ctx, q, fn); err != nil {
		return fmt.Errorf("read the table %s: %w", t.Name, err)
	}
	return nil
}

func (t *Table) read(ctx context.Context, q Querier, fn func([]store.Row) error) error {
	beside, err := t.exact(ctx, q)
	if err != nil {
		return err
	}
	beside, waiting, err := t.undo(ctx, q, beside)
	if err != nil {
		return err
	}
	r := t.newReader()
	var part []store.Row
	size := 0
	hand := func(row store.Row) error {
		part = append(part, row)
		if size += len(row.Public) + len(row.Private); size < readGroup {
			return nil
		}
		err := fn(part)
		part, size = nil, 0
		return err
	}
	rows, err := q.Query(ctx, t.selectSQL(), t.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := r.row(rows)
		if err != nil {
			return err
		}
		for len(beside) > 0 && beside[0].ID < row.ID {
			if err := hand(beside[0]); err != nil {
				return err
			}
			beside = beside[1:]
		}
		if len(beside) > 0 && beside[0].ID == row.ID {
			row, beside = beside[0], beside[1:]
		} else if waiting[row.ID] {
			continue // another program has made it
		}
		if err := hand(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, row := range beside {
		if err := hand(row); err != nil {
			return err
		}
	}
	if len(part) == 0 {
		return nil
	}
	return fn(part)
}

// exact reads the table's records that columns cannot hold to the byte, which are few.
func (t *Table) exact(ctx context.Context, q Querier) (exact []store.Row, err error) {
	rows, err := q.Query(ctx, "SELECT id, seq, public, private FROM tower.exact WHERE model = $1 ORDER BY id", t.Name)
	if err != nil {
		return nil, err
	}
	var row store.Row
	_, err = pgx.ForEachRow(rows, []any{(*string)(&row.ID), &row.Version, &row.Public, &row.Private}, func() error {
		exact = append(exact, row)
		row = store.Row{}
		return nil
	})
	return exact, err
}

// undo returns the ids of the records that other programs have written and no commit has, and
// adds to rows, in the order of their ids, those that a record had before.
func (t *Table) undo(ctx context.Context, q Querier, rows []store.Row) ([]store.Row, map[record.ID]bool, error) {
	inbox, err := q.Query(ctx, `SELECT DISTINCT ON (i.id) i.id, i.gone::text, coalesce(a.seq, 0)
		FROM tower.inbox AS i LEFT JOIN tower.adopted AS a ON a.model = i.model AND a.id = i.id WHERE i.model = $1 ORDER BY i.id, i.n`, t.Name)
	if err != nil {
		return nil, nil, err
	}
	waiting := map[record.ID]bool{}
	exact := len(rows)
	var id record.ID
	var gone *string
	var adopted uint64
	if _, err := pgx.ForEachRow(inbox, []any{(*string)(&id), &gone, &adopted}, func() error {
		waiting[id] = true
		_, has := slices.BinarySearchFunc(rows[:exact], id, func(r store.Row, id record.ID) int { return cmp.Compare(r.ID, id) })
		if has || gone == nil {
			return nil
		}
		row, err := t.former(id, []byte(*gone))
		row.Version = max(row.Version, adopted)
		rows = append(rows, row)
		return err
	}); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(rows, func(a, b store.Row) int { return cmp.Compare(a.ID, b.ID) })
	return rows, waiting, nil
}

// former returns the record of a row that PostgreSQL has turned into JSON, with its commit.
func (t *Table) former(id record.ID, row []byte) (store.Row, error) {
	var columns map[string]json.RawMessage
	if err := json.Unmarshal(row, &columns); err != nil {
		return store.Row{}, err
	}
	version, err := strconv.ParseUint(string(columns[seqColumn]), 10, 64)
	if err != nil {
		return store.Row{}, err
	}
	image, err := t.image(id, row, nil)
	if err != nil {
		return store.Row{}, err
	}
	return store.Row{ID: id, Version: version, Public: image.JSON, Private: image.Private}, nil
}

// A reader makes records of rows.
type reader struct {
	table *Table
	cells []cell
	dests []any
	seq   int64
}

func (t *Table) newReader() *reader {
	r := &reader{table: t}
	for _, c := range t.Columns {
		cell := c.codec.cell()
		r.cells, r.dests = append(r.cells, cell), append(r.dests, cell.dest())
	}
	r.dests = append(r.dests, &r.seq)
	return r
}

func (r *reader) row(rows pgx.Rows) (store.Row, error) {
	if err := rows.Scan(r.dests...); err != nil {
		return store.Row{}, err
	}
	m := r.table.Model
	rec := m.New()
	var problems []error
	for i, c := range r.table.Columns {
		if err := r.cells[i].set(m.Place(rec, c.Field)); err != nil {
			problems = append(problems, fmt.Errorf("column %s: %w", c.Name, err))
		}
	}
	header, err := m.Header(rec)
	if err != nil {
		return store.Row{}, err
	}
	if problems != nil {
		return store.Row{}, fmt.Errorf("row %s: %w", header.ID, errors.Join(problems...))
	}
	public, private, err := m.Encode(rec)
	return store.Row{ID: header.ID, Version: uint64(r.seq), Public: public, Private: private, Record: rec}, err
}
