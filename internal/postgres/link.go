package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/store"
)

// A link is a connection that is made anew when it has broken. It is for one goroutine.
type link struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
	away   time.Time   // since when the server cannot be reached; zero if it can
	direct atomic.Bool // no pooler is in between: statements have names, so that they are parsed once
}

const (
	// roundTrip bounds one exchange with the server. It is longer than the server's own
	// bounds, so that those are met first.
	roundTrip = 15 * time.Second
	// patience is how long a turn waits for a server that cannot be reached, from when that
	// was noticed: a restart goes by unseen, and then writes fail at once.
	patience  = 5 * time.Second
	retryWait = 50 * time.Millisecond
)

func (k *link) get(ctx context.Context) (*pgx.Conn, error) {
	if k.direct.Load() && k.config.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		k.drop()
		k.config = k.config.Copy()
		k.config.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	}
	if k.conn != nil && !k.conn.IsClosed() {
		return k.conn, nil
	}
	conn, err := pgx.ConnectConfig(ctx, k.config)
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

// do calls fn, which changes nothing, with the connection. If that has broken, it does so
// again with a new one, and goes on trying for as long as patience says.
func (k *link) do(ctx context.Context, patience time.Duration, fn func(context.Context, *pgx.Conn) error) error {
	for {
		fresh := k.conn == nil || k.conn.IsClosed()
		err := k.try(ctx, fn)
		if err == nil || k.conn != nil && !k.conn.IsClosed() { // it may be an error of the server's
			k.away = time.Time{}
			return err
		}
		if k.away.IsZero() {
			k.away = time.Now()
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !fresh: // a connection that broke while it was idle
		case time.Since(k.away) >= patience:
			return fmt.Errorf("PostgreSQL cannot be reached: %w", explain(k.config, err))
		default:
			time.Sleep(retryWait)
		}
	}
}

func (k *link) try(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, roundTrip)
	defer cancel()
	conn, err := k.get(ctx)
	if err != nil {
		return err
	}
	return fn(ctx, conn)
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
