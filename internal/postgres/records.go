package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// records are the tables of the records as they are now.
type records interface {
	// queue adds the statements that bring the tables up to the commits.
	queue(b *pgx.Batch, commits []store.Appended) error
	// each calls fn with all records that tx sees, some of a model at a time, in the order of
	// their ids.
	each(ctx context.Context, tx pgx.Tx, fn func(model string, rows []store.Row) error) error
}

// exact keeps records as the stores do, in one table.
type exact struct{}

const (
	putRecords = `INSERT INTO tower.records (model, id, version, public, private)
		SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[])
		ON CONFLICT (model, id) DO UPDATE SET version = excluded.version, public = excluded.public, private = excluded.private`
	dropRecords = `DELETE FROM tower.records USING unnest($1::text[], $2::text[]) AS gone (model, id)
		WHERE records.model = gone.model AND records.id = gone.id`
	allRecords = "SELECT model, id, version, public, private FROM tower.records ORDER BY model, id"

	partRows  = 1000    // most that each calls its function with
	partBytes = 1 << 20 // about most bytes
)

func (exact) queue(b *pgx.Batch, commits []store.Appended) error {
	type row struct {
		seq    uint64
		change *store.Change
	}
	last := map[record.Key]row{} // a statement may meet a record once
	var order []record.Key
	for i := range commits {
		for k := range commits[i].Changes {
			c := &commits[i].Changes[k]
			key := record.Key{Model: c.Model, ID: c.ID}
			if _, met := last[key]; !met {
				order = append(order, key)
			}
			last[key] = row{commits[i].Seq, c}
		}
	}
	var models, ids, goneModels, goneIDs []string
	var versions []int64
	var public, private [][]byte
	for _, key := range order {
		r := last[key]
		if r.change.After == nil {
			goneModels, goneIDs = append(goneModels, key.Model.Name), append(goneIDs, string(key.ID))
			continue
		}
		models, ids, versions = append(models, key.Model.Name), append(ids, string(key.ID)), append(versions, int64(r.seq))
		public, private = append(public, r.change.After.JSON), append(private, r.change.After.Private)
	}
	if len(models) > 0 {
		b.Queue(putRecords, models, ids, versions, public, private)
	}
	if len(goneModels) > 0 {
		b.Queue(dropRecords, goneModels, goneIDs)
	}
	return nil
}

func (exact) each(ctx context.Context, tx pgx.Tx, fn func(model string, rows []store.Row) error) error {
	rows, err := tx.Query(ctx, allRecords)
	if err != nil {
		return err
	}
	defer rows.Close()
	var part []store.Row
	of, size := "", 0
	flush := func() error {
		if len(part) == 0 {
			return nil
		}
		err := fn(of, part)
		part, size = part[:0], 0
		return err
	}
	for rows.Next() {
		var model string
		var r store.Row
		if err := rows.Scan(&model, &r.ID, &r.Version, &r.Public, &r.Private); err != nil {
			return err
		}
		if model != of || len(part) == partRows || size > partBytes {
			if err := flush(); err != nil {
				return err
			}
			of = model
		}
		part = append(part, r)
		size += len(r.Public) + len(r.Private)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return flush()
}
