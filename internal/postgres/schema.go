package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/towerkit/tower/internal/postgres/tables"
	"github.com/towerkit/tower/internal/record"
)

// format is the version of the tables in the schema tower.
const format = 1

// schema is what the schema tower has beside the tables of package tables.
const schema = `
CREATE SCHEMA tower;
CREATE TABLE tower.turn (
	one int PRIMARY KEY CHECK (one = 1),
	epoch text NOT NULL,
	format int NOT NULL
);
COMMENT ON TABLE tower.turn IS 'One row, which a node locks while it writes. It is never updated.';
CREATE TABLE tower.commits (
	seq bigint PRIMARY KEY,
	at timestamptz NOT NULL,
	tag bigint NOT NULL,
	data bytea NOT NULL,
	key bytea,
	call bytea
);
COMMENT ON TABLE tower.commits IS 'The newest commits, which all nodes follow.';
CREATE INDEX ON tower.commits (at);
CREATE TABLE tower.lineages (
	first bigint PRIMARY KEY,
	after bigint NOT NULL,
	name text NOT NULL,
	at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tower.lineages IS 'Servers that made commits: the first one, and the one before, after which others may have been lost.';
CREATE TABLE tower.calls (
	key bytea PRIMARY KEY,
	call bytea NOT NULL,
	at timestamptz NOT NULL
);
COMMENT ON TABLE tower.calls IS 'Calls that took effect, and their answers.';
CREATE INDEX ON tower.calls (at);
CREATE TABLE tower.secrets (
	name text PRIMARY KEY,
	secret bytea NOT NULL
);
COMMENT ON TABLE tower.secrets IS 'What all nodes must know and nobody else.';
REVOKE ALL ON tower.secrets FROM PUBLIC;
CREATE TABLE tower.nodes (
	id text PRIMARY KEY,
	number int NOT NULL UNIQUE,
	address text NOT NULL,
	build text NOT NULL,
	started timestamptz NOT NULL,
	seq bigint NOT NULL,
	crowds jsonb NOT NULL,
	seen timestamptz NOT NULL
);
COMMENT ON TABLE tower.nodes IS 'The nodes of the application, and when each was there last.';
`

// alone is a lock of this database for those who make the tables.
const alone = "SELECT pg_advisory_xact_lock(8390879)"

// Begin makes the tables in an empty database. It returns the epoch of the history that they
// have.
func (l *Log) Begin(ctx context.Context, models []*record.Model) (epoch string, err error) {
	if l.tables, err = tables.New(models, ""); err != nil {
		return "", err
	}
	conn, err := l.writer.get(ctx)
	if err == nil {
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if epoch, err = l.begin(ctx, tx); err != nil {
				return err
			}
			l.epoch = epoch
			return l.prepare(ctx, tx)
		})
	}
	if err == nil {
		err = l.fit(ctx, conn)
	}
	if err != nil {
		return "", explain(l.writer.config, err)
	}
	l.joins.Go(l.trim)
	return epoch, nil
}

func (l *Log) begin(ctx context.Context, tx pgx.Tx) (epoch string, err error) {
	if _, err := tx.Exec(ctx, bounded); err != nil {
		return "", err
	}
	if _, err := tx.Exec(ctx, alone); err != nil {
		return "", err
	}
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass('tower.turn') IS NOT NULL").Scan(&exists); err != nil {
		return "", err
	}
	if !exists {
		if err := l.create(ctx, tx, string(record.NewID())); err != nil {
			return "", err
		}
	}
	var found int
	err = tx.QueryRow(ctx, "SELECT epoch, format FROM tower.turn").Scan(&epoch, &found)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", errors.New("the table tower.turn has no row: it was emptied by hand; restore the database from a backup")
	case err != nil:
		return "", err
	case found > format:
		return "", fmt.Errorf("the schema tower has the format %d of a newer program; this program reads %d", found, format)
	}
	return epoch, nil
}

// create makes all tables in a database that has none of them.
func (l *Log) create(ctx context.Context, tx pgx.Tx, epoch string) error {
	found, err := l.tables.Find(ctx, tx)
	if err != nil {
		return err
	}
	for name := range found.Tables {
		return fmt.Errorf("the database has a table %s, and no history of its records: begin with an empty database", name)
	}
	if err := run(ctx, tx, schema); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO tower.turn VALUES (1, $1, $2)", epoch, format); err != nil {
		return err
	}
	for _, s := range l.tables.Plan(found).Statements {
		if err := run(ctx, tx, s.SQL); err != nil {
			return failed(s.SQL, err)
		}
	}
	return nil
}

// run executes statements. The simple protocol takes several at once.
func run(ctx context.Context, on interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}, statements string) error {
	_, err := on.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol)
	return err
}
