package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	testWait   = 10 * time.Second // for the notification that tests whether any arrive
	listenWait = time.Second      // between two tries to connect
)

// listen begins to listen, and finds out meanwhile whether notifications arrive. They do not if
// a pooler gives the connection to somebody else between two transactions: then the store,
// which looks by itself, sees the commits of others a moment later.
func (l *Log) listen(ctx context.Context) error {
	config := l.writer.config
	if l.options.Listen != "" {
		var err error
		if config, err = parse(l.options.Listen); err != nil {
			return err
		}
	}
	conn, err := listener(ctx, config)
	if err != nil {
		return explain(config, err)
	}
	l.joins.Go(func() {
		if l.arrives(conn) {
			l.hear(conn, config)
		}
	})
	return nil
}

func listener(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTrip)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN tower"); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// arrives reports whether a listener receives what another connection says, as far as that can be
// found out. If it does not, the listener is closed.
func (l *Log) arrives(conn *pgx.Conn) bool {
	ctx, cancel := context.WithTimeout(l.ctx, testWait)
	defer cancel()
	_, err := l.others.Exec(ctx, tell, l.node)
	for err == nil {
		var n *pgconn.Notification
		if n, err = conn.WaitForNotification(ctx); err == nil {
			if n.Payload == l.node {
				if l.options.Listen == "" {
					l.writer.direct.Store(true)
				}
				return true
			}
			l.notify()
		}
	}
	_ = conn.Close(context.Background()) // it has broken, or nothing is heard from it
	if ctx.Err() == nil {
		return true
	}
	if l.ctx.Err() == nil {
		l.options.Logger.Warn("notifications of PostgreSQL do not arrive at this address, probably because of a pooler: commits of other nodes are seen up to 100 ms later. Set TOWER_DB_LISTEN to the address of the server itself")
	}
	return false
}

// hear passes notifications on until the log is closed.
func (l *Log) hear(conn *pgx.Conn, config *pgx.ConnConfig) {
	for {
		for conn != nil {
			n, err := conn.WaitForNotification(l.ctx)
			if err != nil {
				_ = conn.Close(context.Background()) // it has broken, or the log is closed
				conn = nil
			} else if n.Payload != l.node {
				l.notify()
			}
		}
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(listenWait):
		}
		var err error
		if conn, err = listener(l.ctx, config); err == nil {
			l.notify() // of what it has missed
		}
	}
}

func (l *Log) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
