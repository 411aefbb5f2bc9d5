package migrate

import (
	"context"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Source is a store that is open in this process or in another.
type Source interface {
	Remembered(ctx context.Context) (store.Remembered, error)
	Stale(ctx context.Context, key string, t store.Table, after record.ID, limit int) ([]store.Row, record.ID, error)
	Prepare(ctx context.Context, key string, t store.Table, rows []store.Row) error
	PrepareIndexes(ctx context.Context, key string, t store.Table) (done bool, err error)
}

// Local returns the source of a store of this process.
func Local(s *store.Store) Source { return local{s} }

type local struct{ store *store.Store }

func (l local) Remembered(context.Context) (store.Remembered, error) { return l.store.Remembered() }

func (l local) Stale(ctx context.Context, key string, t store.Table, after record.ID, limit int) ([]store.Row, record.ID, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	return l.store.Stale(key, t, after, 8*limit) // nobody else waits to write
}

func (l local) Prepare(_ context.Context, key string, t store.Table, rows []store.Row) error {
	return l.store.Prepare(key, t, rows)
}

func (l local) PrepareIndexes(ctx context.Context, key string, t store.Table) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return l.store.PrepareIndexes(key, t)
}

const (
	batchRows = 2000 // records in one transaction
	maxPasses = 8    // over records that others change meanwhile
)

// Prepare prepares all records for a cutover, in batches. say, which may be nil, is called
// after each with the model and how many of its records have been prepared. While others
// write, some records may be stale again when it returns: the build that opens the store
// prepares those.
func (p *Pending) Prepare(ctx context.Context, from Source, say func(model string, records int)) (prepared map[string]int, err error) {
	key, err := p.key()
	if err != nil {
		return nil, err
	}
	prepared = map[string]int{}
	for _, t := range p.tables {
		if t.Made {
			if err := t.none(ctx, from); err != nil {
				return nil, err
			}
			continue
		}
		for range maxPasses {
			stale, err := t.pass(ctx, from, key, func(records int) {
				prepared[t.To] += records
				if say != nil {
					say(t.To, prepared[t.To])
				}
			})
			for _, each := range append([]store.Table{t.Table}, t.Makes...) {
				for done := false; err == nil && !done; {
					done, err = from.PrepareIndexes(ctx, key, each)
				}
			}
			if err != nil {
				return prepared, err
			}
			if stale == 0 {
				break
			}
		}
	}
	return prepared, nil
}

// none returns an error if there are records of a table whose records are made.
func (t *table) none(ctx context.Context, from Source) error {
	rows, _, err := from.Stale(ctx, "", t.Table, "", 1)
	if err == nil && len(rows) > 0 {
		err = fmt.Errorf("%s cannot be split off other records: there are some already", t.From)
	}
	return err
}

// pass prepares what is stale of a table, once, and returns how much that was.
func (t *table) pass(ctx context.Context, from Source, key string, say func(int)) (stale int, err error) {
	for after := record.ID(""); ; {
		rows, next, err := from.Stale(ctx, key, t.Table, after, batchRows)
		if err != nil {
			return stale, err
		}
		for i := range rows {
			if err := t.migrate(&rows[i], nil); err != nil {
				return stale, err
			}
		}
		if len(rows) > 0 {
			t.index(rows)
			if err := from.Prepare(ctx, key, t.Table, rows); err != nil {
				return stale, err
			}
			say(len(rows))
		}
		stale += len(rows)
		if after = next; after == "" {
			return stale, nil
		}
	}
}

// migrate runs the table's steps on a row. seen, which may be nil, is called around each
// with the record before and after it.
func (t *table) migrate(row *store.Row, seen func(step int, before, after *record.Raw)) error {
	if row.Version == 0 {
		return nil
	}
	raw, err := record.ParseRaw(row.ID, row.Public, row.Private)
	if err != nil {
		return err
	}
	for i, step := range t.steps {
		var before *record.Raw
		if seen != nil {
			before = raw.Clone()
		}
		made, err := step.apply(raw)
		for _, one := range made {
			if err == nil {
				err = t.make(row, step.makes, one)
			}
		}
		if err != nil {
			return &StepError{step.migration, step.Step, row.ID, err, i}
		}
		if seen != nil {
			seen(i, before, raw)
		}
	}
	row.Public, row.Private, err = raw.Encode(t.Model)
	if err != nil {
		return fmt.Errorf("%s/%s: %w", t.To, row.ID, err)
	}
	return nil
}

// make adds to a row a record that is made of it. The steps for the records of that table
// change it too.
func (t *table) make(row *store.Row, to *table, raw *record.Raw) error {
	for _, step := range to.steps {
		made, err := step.apply(raw)
		for _, one := range made {
			if err == nil {
				err = t.make(row, step.makes, one)
			}
		}
		if err != nil {
			return fmt.Errorf("%s/%s: %s: %w", to.To, raw.ID, step, err)
		}
	}
	made := store.Made{Table: slices.Index(t.makes, to), Row: store.Row{ID: raw.ID, Version: row.Version}}
	var err error
	if made.Public, made.Private, err = raw.Encode(to.Model); err != nil {
		return fmt.Errorf("%s/%s: %w", to.To, raw.ID, err)
	}
	row.Made = append(row.Made, made)
	return nil
}

// index adds the index entries of rows, and of the rows that a split made from them.
func (t *table) index(rows []store.Row) {
	t.Index(rows)
	for i := range rows {
		for j := range rows[i].Made {
			made := []store.Row{rows[i].Made[j].Row}
			t.Makes[rows[i].Made[j].Table].Index(made)
			rows[i].Made[j].Row = made[0]
		}
	}
}
