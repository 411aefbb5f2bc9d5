package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/store"
)

// unhurried are the settings of a transaction that may take hours.
const unhurried = "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')"

// Snapshot reads all records in one transaction. It holds some of them in memory at a time.
func (l *Log) Snapshot(ctx context.Context, fn func(model string, rows []store.Row) error) (seq, start uint64, err error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, l.others, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, unhurried); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, reach).Scan(&start, &seq); err != nil {
			return err
		}
		return l.tables.Read(ctx, tx, fn)
	})
	return seq, start, err
}
