package postgres

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/store"
)

// A link is a connection that is made anew when it has broken. It is for one goroutine.
type link struct {
	config *pgx.ConnConfig // it stays as it is: others read it
	conn   *pgx.Conn
	named  bool        // the statements of conn have names
	direct atomic.Bool // no pooler is in between: statements have names, so that they are parsed once
}

// roundTrip bounds one exchange with the server. It is longer than the server's own bounds, so
// that those are met first.
const roundTrip = 15 * time.Second

// bounded is a statement of a transaction that locks something without a turn: the server ends it
// when its client stands still, or is not there any more.
const bounded = "SELECT set_config('idle_in_transaction_session_timeout', '10s', true)"

// open returns the connection if it has not broken and need not be made anew.
func (k *link) open() *pgx.Conn {
	if k.conn == nil || k.conn.IsClosed() || k.direct.Load() && !k.named {
		return nil
	}
	return k.conn
}

func (k *link) get(ctx context.Context) (*pgx.Conn, error) {
	if k.direct.Load() && !k.named {
		k.drop()
	}
	if conn := k.open(); conn != nil {
		return conn, nil
	}
	config := k.config
	if k.named = k.direct.Load(); k.named {
		config = config.Copy()
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	k.conn = conn
	return conn, err
}

func (k *link) drop() {
	if k.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = k.conn.Close(ctx) // it is given up
		k.conn = nil
	}
}

// do calls fn, which changes nothing, with the connection. If that has broken while it was idle,
// do calls fn again with a new one.
func (k *link) do(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	idle := k.conn != nil && !k.conn.IsClosed()
	err := k.try(ctx, fn)
	if err != nil && idle && (k.conn == nil || k.conn.IsClosed()) && ctx.Err() == nil {
		err = k.try(ctx, fn)
	}
	if err != nil && (k.conn == nil || k.conn.IsClosed()) {
		return explain(k.config, err)
	}
	return err
}

func (k *link) try(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, roundTrip)
	defer cancel()
	conn, err := k.get(ctx)
	if err != nil {
		return err
	}
	err = fn(ctx, conn)
	if code(err) == readOnly { // it has become a standby
		k.drop()
	}
	return err
}

// rollback ends a transaction, and gives the connection up if that fails.
func (k *link) rollback() {
	if k.conn == nil || k.conn.IsClosed() || k.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), roundTrip)
	defer cancel()
	if _, err := k.conn.Exec(ctx, "ROLLBACK"); err != nil {
		k.drop()
	}
}

// moved returns [store.ErrMoved] for an error after which it helps to begin again.
func moved(err error) error {
	if code(err).again() {
		return errors.Join(store.ErrMoved, err)
	}
	return err
}
