// Package postgres keeps the log that several stores share in a PostgreSQL database, and
// beside it their records as they are now.
//
// # The turn
//
// A store that writes locks the one row of the table tower.turn, which is never updated, so
// that it leaves nothing for vacuum. With the lock it reads what has come after its newest
// commit, in one round trip. It checks its transactions against its own file, which has the
// newest state now, and sends the rows, the commits and COMMIT in one more. The number of a
// commit is that of the newest one plus one. The server gives the lock of a store that
// stands still to the next one after two seconds.
//
// A store that has been alone for some turns expects to be alone in the next one: it sends all
// of a turn in one round trip, and the server refuses it if something has come in between.
//
// # Connections
//
// The store's writer has one of its own, which is made anew when it breaks. Another one
// listens. A few more serve what may happen meanwhile.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/towerkit/tower/internal/postgres/tables"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Options configure a log.
type Options struct {
	Listen  string        // the address at which notifications arrive; default that of the log
	Keep    time.Duration // how long commits and calls are kept; default 24 h
	Migrate bool          // bring the tables in line with the models, also in a database with records
	Logger  *slog.Logger  // default slog.Default()
}

// A Log is a [store.Log] in a PostgreSQL database. It is for one store.
type Log struct {
	options Options
	node    string // what its notifications say, so that it does not wake itself
	wake    chan struct{}
	writer  *link
	others  *pgxpool.Pool
	tables  *tables.Set // of the models; nil before Begin
	shape   int64       // which the tables had when they were found to fit the models
	foreign bool        // other programs had written something when Tail looked

	epoch string // of the history, once Begin has read it
	place place  // of the last turn
	calm  calm
	share int // records of other programs that the next turn takes at most
	statements

	ctx   context.Context // ends with Close
	stop  context.CancelFunc
	joins sync.WaitGroup
}

var _ store.Log = (*Log)(nil)

const (
	minVersion     = 15
	connectTimeout = 5 * time.Second
	dayOfCommits   = 24 * time.Hour
	maxOthers      = 4 // connections beside the writer's and the listener's
)

// Open connects to the database at an address like postgres://user:password@host/database.
// Its errors say what to do, and have no password in them. Begin makes the tables.
func Open(ctx context.Context, address string, o Options) (*Log, error) {
	if o.Keep == 0 {
		o.Keep = dayOfCommits
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	config, err := parse(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Log{options: o, node: string(record.NewID()), wake: make(chan struct{}, 1), share: tables.MaxForeign, ctx: ctx, stop: cancel}
	l.writer = &link{config: config}
	if err := l.connect(ctx, address); err != nil {
		l.Close()
		return nil, explain(config, err)
	}
	return l, nil
}

// parse reads an address.
func parse(address string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("this is no address of PostgreSQL, like postgres://user:password@host:5432/database: %w", unwrapped(err))
	}
	if !strings.Contains(address, "connect_timeout") {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "tower"
	}
	// Statements have no names until it is known that no pooler is in between, which may not
	// find them again.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return config, nil
}

func (l *Log) connect(ctx context.Context, address string) error {
	conn, err := l.writer.get(ctx)
	if err != nil {
		return err
	}
	if err := checkServer(ctx, conn); err != nil {
		return err
	}
	pool, err := pgxpool.ParseConfig(address)
	if err != nil {
		return unwrapped(err)
	}
	pool.ConnConfig = l.writer.config.Copy()
	pool.MaxConns, pool.MinConns = maxOthers, 0
	if l.others, err = pgxpool.NewWithConfig(ctx, pool); err != nil {
		return err
	}
	return l.listen(ctx)
}

// checkServer returns an error if no log can be kept on the server.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var number int
	var recovering bool
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, pg_is_in_recovery()").Scan(&number, &recovering); err != nil {
		return err
	}
	if number/10000 < minVersion {
		return fmt.Errorf("the server is PostgreSQL %d, and %d is the oldest that will do: upgrade it", number/10000, minVersion)
	}
	if recovering {
		return errors.New("this PostgreSQL is a standby, which only reads: name the hosts of all servers in the address, and target_session_attrs=read-write")
	}
	return nil
}

// Close ends all connections. The store must be closed before.
func (l *Log) Close() {
	l.stop()
	l.joins.Wait()
	l.writer.drop()
	if l.others != nil {
		l.others.Close()
	}
}

// Wake receives a value when another store has appended something.
func (l *Log) Wake() <-chan struct{} { return l.wake }

// Answer returns what is stored with the key of a call.
func (l *Log) Answer(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTrip)
	defer cancel()
	rows, err := l.others.Query(ctx, "SELECT call FROM tower.calls WHERE key = $1", []byte(key))
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

// Secret returns the secret with a name, which is fresh for the first node that asks.
func (l *Log) Secret(ctx context.Context, name, fresh string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTrip)
	defer cancel()
	if _, err := l.others.Exec(ctx, "INSERT INTO tower.secrets VALUES ($1, $2) ON CONFLICT DO NOTHING", name, []byte(fresh)); err != nil {
		return "", err
	}
	var secret []byte
	err := l.others.QueryRow(ctx, "SELECT secret FROM tower.secrets WHERE name = $1", name).Scan(&secret)
	return string(secret), err
}
