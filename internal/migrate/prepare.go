package migrate

import (
	"context"
	"fmt"

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
	batchRows = 500 // records in one transaction
	maxPasses = 8   // over records that others change meanwhile
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
	for i := range p.tables {
		t := &p.tables[i]
		for range maxPasses {
			stale, err := t.pass(ctx, from, key, func(records int) {
				prepared[t.To] += records
				if say != nil {
					say(t.To, prepared[t.To])
				}
			})
			for done := false; err == nil && !done; {
				done, err = from.PrepareIndexes(ctx, key, t.Table)
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
			t.Index(rows)
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
		if err := step.apply(raw); err != nil {
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
