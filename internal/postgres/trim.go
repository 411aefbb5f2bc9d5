package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	trimEvery = time.Minute
	trimRows  = 10_000 // most that one transaction removes

	// One node at a time does it.
	trimAlone = "SELECT pg_try_advisory_xact_lock(8390880)"
	// The newest commit stays, because the next one's number follows from it.
	trimCommits = `DELETE FROM tower.commits WHERE seq IN (
		SELECT seq FROM tower.commits WHERE at < $1 AND seq < (SELECT max(seq) FROM tower.commits) ORDER BY seq LIMIT $2)`
	trimCalls = "DELETE FROM tower.calls WHERE key IN (SELECT key FROM tower.calls WHERE at < $1 ORDER BY at LIMIT $2)"
)

// trim removes what has become too old, from time to time.
func (l *Log) trim() {
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
		}
		for {
			removed, err := l.trimOnce(l.ctx, time.Now().Add(-l.options.Keep))
			if err != nil && l.ctx.Err() == nil {
				l.options.Logger.Warn("old commits were not removed from PostgreSQL", "error", unwrapped(err))
			}
			if err != nil || removed < trimRows {
				break
			}
		}
	}
}

// trimOnce removes commits and calls from before a time, and returns how many.
func (l *Log) trimOnce(ctx context.Context, before time.Time) (removed int64, err error) {
	err = pgx.BeginFunc(ctx, l.others, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, bounded); err != nil {
			return err
		}
		var alone bool
		if err := tx.QueryRow(ctx, trimAlone).Scan(&alone); err != nil || !alone {
			return err
		}
		for _, statement := range []string{trimCommits, trimCalls} {
			tag, err := tx.Exec(ctx, statement, before, trimRows)
			if err != nil {
				return err
			}
			removed = max(removed, tag.RowsAffected())
		}
		return nil
	})
	return removed, err
}
