package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// stalled is how long somebody who has the turn may say nothing. It is for a statement that
// has been sent in part, which no timeout of the server bounds: a network that has become
// silent, or a store that was stopped. It is also for other programs that lock the row.
const stalled = 5 * time.Second

// evictWait is how long it may take to end connections.
const evictWait = 5 * time.Second

const (
	holders = `SELECT pid, usename, application_name FROM pg_stat_activity
		WHERE pid <> pg_backend_pid() AND wait_event_type = 'Client' AND backend_xid IS NOT NULL
		AND state_change < clock_timestamp() - make_interval(secs => $1)
		AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'tower.turn'::regclass AND mode <> 'AccessShareLock' AND granted)`
	terminate = "SELECT pg_terminate_backend($1)"
)

// A holder is a connection that has locked the row of the turn.
type holder struct {
	PID         int32
	User        string
	Application string
}

// evict ends connections that have the turn and stand still. It is called when the turn was
// not to be had.
func (l *Log) evict() {
	ctx, cancel := context.WithTimeout(l.ctx, evictWait)
	defer cancel()
	err := l.writer.try(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, holders, stalled.Seconds())
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[holder])
		for _, h := range all {
			_, err = conn.Exec(ctx, terminate, h.PID)
			l.options.Logger.Warn("a connection to PostgreSQL held up all writes and was ended", "pid", h.PID, "user", h.User, "application", h.Application, "error", err)
		}
		return err
	})
	if err != nil {
		l.options.Logger.Warn("a connection to PostgreSQL holds up all writes", "error", unwrapped(err))
	}
}
