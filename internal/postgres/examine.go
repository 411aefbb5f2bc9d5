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

// A Finding is something about a database that whoever runs it should know.
type Finding struct {
	State  State
	Detail string
	Fix    string // what to do; "" if nothing needs to be done
}

// A State says how bad a finding is.
type State string

// The states.
const (
	OK      State = "ok"
	Note    State = "note"    // it may be meant
	Problem State = "problem" // something is lost or stands still, now or once something fails
)

// An examination looks at a database through one connection, and changes nothing.
type examination struct {
	ctx   context.Context
	conn  *pgx.Conn
	found []Finding

	there   bool // the tables of the log are
	pooled  bool // a pooler is in between
	monitor bool // the user sees what others do
}

// examineTime bounds all that is asked of a server.
const examineTime = 30 * time.Second

// Examine looks for what is wrong or dangerous in the database at an address, as a node with
// these models would meet it. Notifications arrive at the address listen, "" for the same one.
func Examine(ctx context.Context, address, listen string, models []*record.Model) []Finding {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	e := &examination{ctx: ctx}
	config, err := parse(address)
	if err == nil {
		if e.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
			err = explain(config, err)
		}
	}
	if err != nil {
		return []Finding{{Problem, err.Error(), "put that right: no node can start, and those that run cannot write"}}
	}
	defer e.conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was written
	checks := []func() error{e.version, e.pooler, e.settings, e.rights, e.standbys, e.disk, e.connections, e.transactions, e.clock, e.commits,
		func() error { return e.notifications(config, listen) },
		func() error { return e.fit(models) }}
	for _, check := range checks {
		err := check()
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			e.problem(explain(config, err).Error(), "put that right, and run this again: not everything was checked")
		}
		if e.conn.IsClosed() {
			break
		}
	}
	return e.found
}

// errEnough ends an examination: what would follow has no meaning.
var errEnough = errors.New("enough")

func (e *examination) add(state State, detail, fix string) {
	e.found = append(e.found, Finding{state, detail, fix})
}
func (e *examination) ok(format string, args ...any) { e.add(OK, fmt.Sprintf(format, args...), "") }
func (e *examination) note(detail, fix string)       { e.add(Note, detail, fix) }
func (e *examination) problem(detail, fix string)    { e.add(Problem, detail, fix) }

// scan reads the one row of a query. It uses the simple protocol, which passes every pooler.
func (e *examination) scan(query string, into ...any) error {
	if err := e.conn.QueryRow(e.ctx, query, pgx.QueryExecModeSimpleProtocol).Scan(into...); err != nil {
		first, _, _ := strings.Cut(query, "\n")
		return fmt.Errorf("%s: %w", first, err)
	}
	return nil
}

// texts reads the rows of a query that has one column.
func (e *examination) texts(query string) ([]string, error) {
	rows, err := e.conn.Query(e.ctx, query, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (e *examination) version() error {
	var version, database, user, encoding string
	var number int
	var recovering bool
	err := e.scan(`SELECT current_setting('server_version'), current_setting('server_version_num')::int, current_database(), current_user,
		current_setting('server_encoding'), pg_is_in_recovery(), to_regclass('tower.turn') IS NOT NULL, pg_has_role('pg_read_all_stats', 'USAGE')`,
		&version, &number, &database, &user, &encoding, &recovering, &e.there, &e.monitor)
	if err != nil {
		return err
	}
	version, _, _ = strings.Cut(version, " ")
	switch {
	case number/10000 < minVersion:
		e.problem(fmt.Sprintf("PostgreSQL %s is too old", version), fmt.Sprintf("upgrade it to %d or later", minVersion))
		return errEnough
	case recovering:
		e.problem("this server is a standby, which only reads", "name the hosts of all servers in TOWER_DB, and target_session_attrs=read-write")
		return errEnough
	case encoding != "UTF8":
		e.problem(fmt.Sprintf("the database %s has the encoding %s, which cannot hold every text", database, encoding), "make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")
	default:
		e.ok("PostgreSQL %s, the database %s, as %s", version, database, user)
	}
	return nil
}

// pooler looks whether there is a pooler, and whether it lets transactions through. A pooler
// names another process than the one that answers.
func (e *examination) pooler() error {
	var pid uint32
	_, err := e.conn.Exec(e.ctx, "BEGIN", pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		err = e.scan("SELECT pg_backend_pid()", &pid)
	}
	if err == nil {
		_, err = e.conn.Exec(e.ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol)
	}
	var sent *pgconn.PgError
	if errors.As(err, &sent) && strings.Contains(sent.Message, "statement pooling") {
		e.problem("the pooler at this address gives the connection to others after each statement, so there are no transactions", "set pool_mode = transaction, or the address of the server itself")
		return errEnough
	}
	e.pooled = pid != e.conn.PgConn().PID()
	return err
}

// clock compares the clocks of the server and this machine. Sessions allow ten seconds between
// the clocks of nodes.
func (e *examination) clock() error {
	var there time.Time
	before := time.Now()
	if err := e.scan("SELECT clock_timestamp()", &there); err != nil {
		return err
	}
	trip := time.Since(before)
	e.found = append(e.found, compareClocks(there.Sub(before.Add(trip/2)).Abs(), trip))
	return nil
}

func compareClocks(difference, trip time.Duration) Finding {
	f := Finding{OK, fmt.Sprintf("a round trip takes %s, and the clocks agree", trip.Round(100*time.Microsecond)), ""}
	if difference <= time.Second+trip/2 {
		return f
	}
	f.Detail = fmt.Sprintf("the clocks of the server and of this machine differ by %s", difference.Round(100*time.Millisecond))
	f.State, f.Fix = Note, "run chrony or another client of NTP on both: nodes may differ by ten seconds"
	if difference > 5*time.Second+trip/2 {
		f.State = Problem
	}
	return f
}

// notifyTime is how long a notification may take.
const notifyTime = 2 * time.Second

// notifications sends one to itself, the way by which nodes learn of commits.
func (e *examination) notifications(config *pgx.ConnConfig, listen string) error {
	at := "this address"
	if listen != "" {
		at = "TOWER_DB_LISTEN"
		var err error
		if config, err = parse(listen); err != nil {
			e.problem("TOWER_DB_LISTEN: "+err.Error(), "correct it")
			return nil
		}
	}
	conn, err := pgx.ConnectConfig(e.ctx, config)
	if err != nil {
		e.problem("TOWER_DB_LISTEN: "+explain(config, err).Error(), "correct it: no node can start")
		return nil
	}
	defer conn.Close(context.WithoutCancel(e.ctx)) //nolint:errcheck // nothing was written
	if _, err := conn.Exec(e.ctx, "LISTEN tower_doctor", pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	if _, err := e.conn.Exec(e.ctx, "BEGIN; SET LOCAL synchronous_commit = off; NOTIFY tower_doctor; COMMIT", pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.ctx, notifyTime)
	defer cancel()
	_, err = conn.WaitForNotification(ctx)
	switch {
	case err == nil:
		e.ok("notifications arrive at %s, so nodes see commits of others at once", at)
	case listen != "":
		e.problem("notifications do not arrive at TOWER_DB_LISTEN: nodes see commits of others up to 100 ms later", "set it to the address of the same server and database as TOWER_DB, without a pooler")
	default:
		e.note("notifications do not arrive at this address, because of a pooler: nodes see commits of others up to 100 ms later", "set TOWER_DB_LISTEN to the address of the server itself")
	}
	return nil
}

// fit compares the tables with the models.
func (e *examination) fit(models []*record.Model) error {
	set, err := tables.New(models, "")
	if err != nil {
		return err
	}
	found, err := set.Find(e.ctx, e.conn)
	if err != nil {
		return err
	}
	plan := set.Plan(found)
	for _, problem := range plan.Problems {
		e.problem(problem, "settle that first: tower db migrate changes nothing before")
	}
	switch {
	case len(plan.Problems) > 0:
	case !e.there:
		e.note("the database has no tables yet", "the first node makes them, or tower db migrate")
	case !plan.Fits():
		e.problem("the tables do not fit the models, so a node does not start in production", "tower db migrate --plan shows the statements that are missing, and tower db migrate runs them")
	case len(plan.Statements) > 0:
		e.note("the tables will do for the models, and are not quite in line with them", "tower db migrate --plan shows the statements that are missing, and tower db migrate runs them")
	default:
		e.ok("the tables are in line with the models")
	}
	return nil
}
