package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	testWait   = 5 * time.Second // for the notification that tests whether any arrive
	listenWait = time.Second     // between two tries to connect
)

// listen begins to listen, and returns whether notifications arrive. They do not if a pooler
// gives the connection to somebody else between two transactions: then the store, which
// looks by itself, sees the commits of others a moment later.
func (l *Log) listen(ctx context.Context) (bool, error) {
	config := l.writer.config
	if l.options.Listen != "" {
		var err error
		if config, err = parse(l.options.Listen); err != nil {
			return false, err
		}
	}
	conn, err := listener(ctx, config)
	if err != nil {
		return false, explain(config, err)
	}
	arrives, err := l.arrives(ctx, conn)
	if err != nil {
		return false, errors.Join(err, conn.Close(ctx))
	}
	if !arrives {
		l.options.Logger.Warn("notifications of PostgreSQL do not arrive at this address, probably because of a pooler: commits of other nodes are seen up to 100 ms later. Give it the address of the server itself to listen at")
		return false, conn.Close(ctx)
	}
	l.joins.Go(func() { l.hear(conn, config) })
	return true, nil
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

// arrives reports whether the listener receives what the writer says.
func (l *Log) arrives(ctx context.Context, conn *pgx.Conn) (bool, error) {
	writer, err := l.writer.get(ctx)
	if err != nil {
		return false, err
	}
	if _, err := writer.Exec(ctx, tell, l.node); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, testWait)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return false, nil
		}
		if n.Payload == l.node {
			return true, nil
		}
	}
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
