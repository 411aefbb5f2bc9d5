package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/database/driver"
	"github.com/towerkit/tower/internal/postgres/tables"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

const maxDifferences = 20

// Compare compares the tables and the log with what a store has of them, as of one commit.
// What other programs have just written becomes commits first, as far as one turn takes it; the
// rest, and what they write meanwhile, is not compared. Others go on writing
// meanwhile; the store's file should not be much behind.
func (l *Log) Compare(ctx context.Context, s *store.Store) (*driver.Comparison, error) {
	if err := s.Reach(ctx, s.Seq()+1); err != nil && !errors.Is(err, store.ErrNoCommit) {
		return nil, fmt.Errorf("compare with PostgreSQL: %w", err)
	}
	c := &comparison{log: l, store: s, found: &driver.Comparison{}}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, l.others, options, func(tx pgx.Tx) error {
		c.tx = tx
		return c.run(ctx)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("compare with PostgreSQL: %w", err)
	}
	return c.found, nil
}

// A comparison is one run of Compare, in one transaction.
type comparison struct {
	log     *Log
	store   *store.Store
	tx      pgx.Tx
	waiting map[string]bool // records of tables, which no commit has yet
	found   *driver.Comparison
}

func (c *comparison) run(ctx context.Context) error {
	if _, err := c.tx.Exec(ctx, unhurried); err != nil {
		return err
	}
	var start uint64
	if err := c.tx.QueryRow(ctx, reach).Scan(&start, &c.found.Seq); err != nil {
		return err
	}
	rows, err := c.tx.Query(ctx, "SELECT DISTINCT model || '/' || id FROM tower.inbox")
	if err != nil {
		return err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	c.waiting, c.found.Waiting = map[string]bool{}, len(keys)
	for _, key := range keys {
		c.waiting[key] = true
	}
	if err := c.store.Reach(ctx, c.found.Seq); err != nil {
		return err
	}
	err = c.store.ViewAt(ctx, c.found.Seq, func(snap *store.Snapshot) error {
		for _, t := range c.log.tables.Tables {
			if err := c.table(ctx, t, snap); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.commits(ctx, max(start, c.store.LogStart()))
}

func (c *comparison) differs(format string, args ...any) error {
	c.found.Differences = append(c.found.Differences, fmt.Sprintf(format, args...))
	if len(c.found.Differences) == maxDifferences {
		return errEnough
	}
	return nil
}

// table compares a table with the records of a snapshot. Both are in the order of their ids.
func (c *comparison) table(ctx context.Context, t *tables.Table, snap *store.Snapshot) error {
	after, count := record.ID(""), 0
	var failed error
	// take compares rows with the records up to the last of them, or with all that are left.
	take := func(rows []store.Row, all bool) error {
		err := snap.All(t.Model, after, func(image *record.Image) bool {
			for len(rows) > 0 && rows[0].ID < image.ID && failed == nil {
				failed, rows = c.row(t, &rows[0], nil), rows[1:]
			}
			if len(rows) == 0 && !all || failed != nil {
				return false
			}
			after = image.ID
			if count++; len(rows) > 0 && rows[0].ID == image.ID {
				failed, rows = c.row(t, &rows[0], image), rows[1:]
			} else {
				failed = c.row(t, nil, image)
			}
			return failed == nil
		})
		for len(rows) > 0 && failed == nil && err == nil {
			failed, rows = c.row(t, &rows[0], nil), rows[1:]
		}
		return errors.Join(err, failed)
	}
	err := t.Read(ctx, c.tx, func(rows []store.Row) error { return take(rows, false) })
	if err == nil {
		err = take(nil, true)
	}
	c.found.Parts = append(c.found.Parts, wire.ComparedPart{Name: t.Model.Name, Count: count})
	return err
}

// row compares a row with a record of the store; one of them may be nil.
func (c *comparison) row(t *tables.Table, row *store.Row, image *record.Image) error {
	id := record.ID("")
	if image != nil {
		id = image.ID
	} else {
		id = row.ID
	}
	what := ""
	switch {
	case c.waiting[t.Name+"/"+string(id)]:
	case image == nil:
		what = "is in the table alone"
	case row == nil:
		what = "is not in the table"
	case !bytes.Equal(image.JSON, row.Public) || !bytes.Equal(image.Private, row.Private):
		what = "differs in the table"
	case image.Version != row.Version:
		what = fmt.Sprintf("is of commit %d, and of commit %d in the table", image.Version, row.Version)
	}
	if what == "" {
		return nil
	}
	return c.differs("%s/%s %s", t.Model.Name, id, what)
}

// commits compares the log from a commit on.
func (c *comparison) commits(ctx context.Context, from uint64) error {
	rows, err := c.tx.Query(ctx, "SELECT seq, data, coalesce(key, '') FROM tower.commits WHERE seq >= $1 ORDER BY seq", from)
	if err != nil {
		return err
	}
	var own []store.Entry
	var e store.Entry
	count := 0
	_, err = pgx.ForEachRow(rows, []any{&e.Seq, &e.Data, &e.Key}, func() (err error) {
		if len(own) == 0 {
			if own, err = c.store.Entries(e.Seq, loadBytes); errors.Is(err, store.ErrExpired) {
				return nil // the store has forgotten it
			}
			if err != nil {
				return err
			}
		}
		if len(own) == 0 || own[0].Seq != e.Seq {
			own = nil
			return c.differs("commit %d is in the database alone", e.Seq)
		}
		same := bytes.Equal(own[0].Data, e.Data) && bytes.Equal(own[0].Key, e.Key)
		own, count = own[1:], count+1
		if !same {
			return c.differs("commit %d differs in the database", e.Seq)
		}
		return nil
	})
	c.found.Parts = append(c.found.Parts, wire.ComparedPart{Name: partCommits, Count: count})
	return err
}
