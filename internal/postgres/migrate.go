package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/towerkit/tower/internal/postgres/tables"
	"github.com/towerkit/tower/internal/record"
)

// fit brings the tables in line with the models, if it may. It returns a [*MisfitError] if they
// do not fit.
func (l *Log) fit(ctx context.Context, conn *pgx.Conn) error {
	if err := conn.QueryRow(ctx, tables.Shape).Scan(&l.shape); err != nil {
		return err
	}
	found, err := l.tables.Find(ctx, conn)
	if err != nil {
		return err
	}
	plan := l.tables.Plan(found)
	if plan.Fits() && !l.options.Migrate {
		return nil
	}
	if len(plan.Problems) > 0 || !l.options.Migrate {
		return &MisfitError{plan}
	}
	err = l.apply(ctx, conn, plan, func(s tables.Statement) { l.options.Logger.Info("PostgreSQL: "+s.Says, "sql", s.SQL) })
	if err != nil {
		if found, errFind := l.tables.Find(ctx, conn); errFind == nil && l.tables.Plan(found).Fits() {
			return nil // another node was first
		}
	}
	return err
}

// refit returns an error if the tables, which have been changed, do not fit the models.
func (l *Log) refit(ctx context.Context, conn *pgx.Conn, shape int64) error {
	found, err := l.tables.Find(ctx, conn)
	if err != nil {
		return err
	}
	if plan := l.tables.Plan(found); !plan.Fits() {
		return &MisfitError{plan}
	}
	l.shape = shape
	return nil
}

// misfit returns the error of a statement that does not fit the tables, as a [*MisfitError] if
// the models do not.
func (l *Log) misfit(ctx context.Context, err error) error {
	conn, errConn := l.writer.get(ctx)
	if errConn != nil {
		return err
	}
	found, errFind := l.tables.Find(ctx, conn)
	if errFind != nil {
		return err
	}
	if plan := l.tables.Plan(found); !plan.Fits() {
		return fmt.Errorf("%w\nPostgreSQL says: %w", &MisfitError{plan}, unwrapped(err))
	}
	return err
}

// Migrate plans what brings the tables in line with the models, and does it if run is set. say
// is told of each statement before it is executed. It needs no Begin.
func (l *Log) Migrate(ctx context.Context, models []*record.Model, do bool, say func(tables.Statement)) (*tables.Plan, error) {
	var err error
	if l.tables, err = tables.New(models, ""); err != nil {
		return nil, err
	}
	conn, err := l.writer.get(ctx)
	if err != nil {
		return nil, explain(l.writer.config, err)
	}
	found, err := l.tables.Find(ctx, conn)
	if err != nil {
		return nil, explain(l.writer.config, err)
	}
	plan := l.tables.Plan(found)
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('tower.turn') IS NOT NULL").Scan(&there); err != nil {
		return nil, err
	}
	if !there {
		plan.Statements = append([]tables.Statement{{SQL: strings.TrimSpace(schema), Says: "makes the tables of the log", Needs: true}}, plan.Statements...)
	}
	switch {
	case !do || len(plan.Problems) > 0:
		return plan, nil
	case !there:
		for _, s := range plan.Statements {
			say(s)
		}
		_, err := l.Begin(ctx, models)
		return plan, err
	}
	if err := l.apply(ctx, conn, plan, say); err != nil {
		return nil, explain(l.writer.config, err)
	}
	return plan, nil
}

const (
	onlyOne   = "SELECT pg_try_advisory_lock(8390880)"
	notAlone  = "SELECT pg_advisory_unlock(8390880)"
	shortWait = "SET LOCAL lock_timeout = '2s'"
	maxWaits  = 15 // for the locks that one statement needs
)

// apply executes a plan, each statement in a transaction of its own that holds the turn: nodes
// write between two of them. Who reads a table is waited for, but not for long at a time,
// because all others wait behind.
func (l *Log) apply(ctx context.Context, conn *pgx.Conn, plan *tables.Plan, say func(tables.Statement)) error {
	if len(plan.Statements) == 0 {
		return nil
	}
	var only bool
	if err := conn.QueryRow(ctx, onlyOne).Scan(&only); err != nil {
		return err
	}
	if !only {
		return errors.New("the tables are being changed by another process: wait until it has finished")
	}
	defer conn.Exec(context.WithoutCancel(ctx), notAlone) //nolint:errcheck // the lock ends with the connection
	for _, s := range plan.Statements {
		say(s)
		if err := l.execute(ctx, conn, s); err != nil {
			return failed(s.SQL, err)
		}
	}
	_, err := conn.Exec(ctx, tables.Changed)
	return err
}

func (l *Log) execute(ctx context.Context, conn *pgx.Conn, s tables.Statement) error {
	if s.Alone {
		if err := run(ctx, conn, "SET lock_timeout = 0; SET statement_timeout = 0"); err != nil {
			return err
		}
		return run(ctx, conn, s.SQL)
	}
	for wait := 1; ; wait++ {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			return run(ctx, tx, shortWait+"; "+lock+"; "+s.SQL)
		})
		if code(err) != lockNotAvailable || wait == maxWaits {
			return err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failed returns the error of a statement, with what PostgreSQL says of it.
func failed(sql string, err error) error {
	var sent *pgconn.PgError
	detail := ""
	if errors.As(err, &sent) && sent.Detail != "" {
		detail = " (" + sent.Detail + ")"
	}
	first, _, more := strings.Cut(sql, "\n")
	if more {
		first += " …"
	}
	return fmt.Errorf("%s: %w%s", first, err, detail)
}

// A MisfitError reports that the tables of a database do not fit the models.
type MisfitError struct{ Plan *tables.Plan }

func (e *MisfitError) Error() string {
	var b strings.Builder
	b.WriteString("the tables in PostgreSQL do not fit the models, and nothing was changed:")
	for _, problem := range e.Plan.Problems {
		b.WriteString("\n  " + problem)
	}
	if len(e.Plan.Problems) == 0 {
		b.WriteString(" tower db migrate runs these statements")
		for _, s := range e.Plan.Statements {
			if s.Needs {
				b.WriteString("\n  " + s.SQL + ";")
			}
		}
	}
	for _, hint := range e.Plan.Hints {
		b.WriteString("\n  " + hint)
	}
	return b.String()
}
