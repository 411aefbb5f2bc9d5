//go:build linux

package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	"github.com/towerkit/tower/internal/systemtest/process"
)

// An examiner examines a database that a test spoils and mends.
type examiner struct {
	*testing.T
	conn    *pgx.Conn
	address string
	name    string // of the database
	models  []*record.Model
}

func newExaminer(t *testing.T, address string) *examiner {
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return &examiner{t, conn, address, conn.Config().Database, []*record.Model{model(t, "notes", &note{})}}
}

func (e *examiner) exec(statements ...string) {
	e.Helper()
	for _, s := range statements {
		if _, err := e.conn.Exec(context.Background(), strings.ReplaceAll(s, "DB", e.name)); err != nil {
			e.Fatalf("%s: %v", s, err)
		}
	}
}

// examine returns what is found at an address, as lines.
func (e *examiner) examine(address, listen string) (lines []string) {
	for _, f := range Examine(e.Context(), address, listen, e.models) {
		if f.State != OK && f.Fix == "" {
			e.Errorf("nothing says what to do: %+v", f)
		}
		lines = append(lines, fmt.Sprintf("%s: %s → %s", f.State, f.Detail, f.Fix))
	}
	return lines
}

func has(lines []string, state State, text string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, string(state)+": ") && strings.Contains(line, text)
	})
}

func (e *examiner) expect(lines []string, state State, text string) {
	e.Helper()
	if !has(lines, state, text) {
		e.Errorf("no %s says %q:\n%s", state, text, strings.Join(lines, "\n"))
	}
}

// TestExamine spoils a server in one way after another. Each is found, and only as long as it is
// there.
func TestExamine(t *testing.T) {
	server := pgtest.Start(t)
	e := newExaminer(t, server.Database(t))
	e.expect(e.examine(e.address, ""), Note, "the database has no tables yet")
	if err := begin(t, e.address, e.models[0], Options{}); err != nil {
		t.Fatal(err)
	}
	sound := e.examine(e.address, "")
	if has(sound, Problem, "") {
		t.Errorf("problems of a sound server:\n%s", strings.Join(sound, "\n"))
	}
	for _, text := range []string{"PostgreSQL " + fmt.Sprint(server.Major), "survives a crash", "all rights", "connections", "the clocks agree", "notifications arrive", "in line with the models", "replica anew"} {
		e.expect(sound, OK, text)
	}
	e.expect(sound, Note, "idle_in_transaction_session_timeout is not set")
	e.expect(sound, Note, "knows of no standby")

	const system, reload = "ALTER SYSTEM SET ", "SELECT pg_reload_conf()"
	for _, c := range []struct {
		state       State
		says        string
		spoil, mend []string
	}{
		{Problem, "fsync is off", []string{system + "fsync = off", reload}, []string{"ALTER SYSTEM RESET fsync", reload}},
		{Problem, "full_page_writes is off", []string{system + "full_page_writes = off", reload}, []string{"ALTER SYSTEM RESET full_page_writes", reload}},
		{Problem, "synchronous_commit is off", []string{"ALTER DATABASE DB SET synchronous_commit = off"}, []string{"ALTER DATABASE DB RESET synchronous_commit"}},
		{Problem, "default_transaction_read_only is on", []string{"ALTER DATABASE DB SET default_transaction_read_only = on"}, []string{"ALTER DATABASE DB RESET default_transaction_read_only"}},
		{Problem, "autovacuum is off", []string{system + "autovacuum = off", reload}, []string{"ALTER SYSTEM RESET autovacuum", reload}},
		{Note, "statement_timeout", []string{"ALTER DATABASE DB SET statement_timeout = '1min'"}, []string{"ALTER DATABASE DB RESET statement_timeout"}},
		{Problem, "no such standby is connected", []string{system + "synchronous_standby_names = 'missing'", reload}, []string{"SET synchronous_commit = off", "ALTER SYSTEM RESET synchronous_standby_names", reload}},
		{Problem, "and are lost if one takes over", []string{system + "synchronous_standby_names = 'missing'", "ALTER DATABASE DB SET synchronous_commit = local", reload}, []string{"ALTER SYSTEM RESET synchronous_standby_names", "ALTER DATABASE DB RESET synchronous_commit", reload}},
		{Problem, "need 12", []string{"ALTER DATABASE DB CONNECTION LIMIT 11"}, []string{"ALTER DATABASE DB CONNECTION LIMIT -1"}},
		{Note, "max_slot_wal_keep_size", []string{"SELECT pg_create_physical_replication_slot('gone', true)"}, []string{"SELECT pg_drop_replication_slot('gone')"}},
		{Problem, "the oldest commit is from 72h", []string{"INSERT INTO tower.commits (seq, at, tag, data) VALUES (1, now() - interval '72 hours', 1, ''), (2, now(), 2, '')"}, []string{"DELETE FROM tower.commits"}},
	} {
		t.Log(c.says)
		e.exec(c.spoil...)
		// A setting takes a moment to reach all processes.
		process.Until(t, c.says, func() bool { return has(e.examine(e.address, ""), c.state, c.says) })
		e.exec(c.mend...)
		process.Until(t, "the end of: "+c.says, func() bool { return !has(e.examine(e.address, ""), c.state, c.says) })
	}
}

// TestExamineFindsWhatHoldsUpWrites has programs that stay in a transaction, a standby that is
// not synchronous, tables that do not fit, and an archive that fails.
func TestExamineFindsWhatHoldsUpWrites(t *testing.T) {
	server := pgtest.Start(t)
	e := newExaminer(t, server.Database(t))
	if err := begin(t, e.address, e.models[0], Options{}); err != nil {
		t.Fatal(err)
	}
	before := longTransaction
	longTransaction = 0
	t.Cleanup(func() { longTransaction = before })
	e.exec("BEGIN")
	e.expect(e.examine(e.address, ""), Note, "the transaction of process "+fmt.Sprint(e.conn.PgConn().PID()))
	e.exec("ROLLBACK")
	if found := e.examine(e.address, ""); has(found, Note, "the transaction of process") {
		t.Errorf("nobody is in a transaction:\n%s", strings.Join(found, "\n"))
	}

	e.exec("ALTER TABLE notes DROP COLUMN text")
	e.expect(e.examine(e.address, ""), Problem, "the tables do not fit the models")
	if err := begin(t, e.address, e.models[0], Options{Migrate: true}); err != nil {
		t.Fatal(err)
	}
	e.expect(e.examine(e.address, ""), OK, "in line with the models")

	end := receive(t, e.address)
	e.expect(e.examine(e.address, ""), Note, "all standbys are asynchronous (1)")
	end() // the server waits for it otherwise, when it stops

	e.exec("ALTER SYSTEM SET archive_mode = on", "ALTER SYSTEM SET archive_command = 'false'")
	server.Stop()
	server.Restart(t)
	again := newExaminer(t, e.address)
	again.exec("SELECT pg_switch_wal()")
	process.Until(t, "the archive fails", func() bool {
		return has(again.examine(e.address, ""), Problem, "the archiving of the write-ahead log fails")
	})
}

// receive follows the write-ahead log as a standby does, until end is called or the test ends.
func receive(t *testing.T, address string) (end func()) {
	t.Helper()
	config, err := pgconn.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["replication"] = "true"
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	end = func() { conn.Close(context.Background()) }
	t.Cleanup(end)
	conn.Frontend().Send(&pgproto3.Query{String: "START_REPLICATION PHYSICAL 0/1000000"})
	if err := conn.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		message, err := conn.ReceiveMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch message := message.(type) {
		case *pgproto3.CopyBothResponse:
			return end
		case *pgproto3.ErrorResponse:
			t.Fatal(message.Message)
		}
	}
}

// TestExamineAsSomebodyElse looks as users who lack rights, and where nothing can be seen.
func TestExamineAsSomebodyElse(t *testing.T) {
	server := pgtest.Shared(t)
	e := newExaminer(t, server.Database(t))
	e.exec("CREATE ROLE stranger LOGIN", "CREATE ROLE locked LOGIN PASSWORD 'open' IN ROLE guarded")
	t.Cleanup(func() {
		e.conn.Exec(context.Background(), "DROP OWNED BY stranger, locked") //nolint:errcheck // the database goes too
		server.Exec(t, "DROP ROLE stranger, locked")
	})
	stranger := strings.Replace(e.address, "postgres@", "stranger@", 1)
	e.expect(e.examine(stranger, ""), Problem, "may not make tables")
	if err := begin(t, e.address, e.models[0], Options{}); err != nil {
		t.Fatal(err)
	}
	e.expect(e.examine(stranger, ""), Problem, "lacks rights on tables: public.notes (")
	e.exec("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tower, public TO stranger", "REVOKE DELETE ON tower.commits FROM stranger")
	e.expect(e.examine(stranger, ""), Problem, "lacks rights on tables: tower.commits (DELETE) →")
	e.exec("GRANT DELETE ON tower.commits TO stranger")
	e.expect(e.examine(stranger, ""), Note, "the tables belong to postgres")
	e.exec("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
	e.expect(e.examine(stranger, ""), Problem, "a failover that loses commits goes by unseen")
	e.exec("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")

	locked := strings.Replace(e.address, "postgres@", "locked:guess@", 1)
	found := e.examine(locked, "")
	e.expect(found, Problem, "refuses the password of the user locked")
	if len(found) != 1 || strings.Contains(found[0], "guess") {
		t.Errorf("%q", found)
	}
	e.expect(e.examine("postgres://127.0.0.1:1/x", ""), Problem, "nothing listens at 127.0.0.1:1")
	e.expect(e.examine("postgres://127.0.0.1:port/x", ""), Problem, "no address of PostgreSQL")
	// The server that tests share is fast, and does not care for crashes.
	e.expect(e.examine(e.address, ""), Problem, "fsync is off")
}

// TestExamineThroughAPooler sees a pooler, and what it does to transactions and notifications.
func TestExamineThroughAPooler(t *testing.T) {
	server := pgtest.Shared(t)
	e := newExaminer(t, server.Database(t))
	if err := begin(t, e.address, e.models[0], Options{}); err != nil {
		t.Fatal(err)
	}
	pooled := server.Pooler(t, "transaction")(e.address)
	found := e.examine(pooled, "")
	e.expect(found, Note, "set TOWER_DB_LISTEN to the address of the server itself")
	e.expect(found, OK, "a pooler is in between")
	e.expect(found, OK, "in line with the models")
	e.expect(e.examine(pooled, e.address), OK, "notifications arrive at TOWER_DB_LISTEN")
	other := server.Database(t)
	e.expect(e.examine(pooled, other), Problem, "notifications do not arrive at TOWER_DB_LISTEN")
	e.expect(e.examine(pooled, "postgres://127.0.0.1:1/x"), Problem, "TOWER_DB_LISTEN: nothing listens at")
	e.expect(e.examine(server.Pooler(t, "statement")(e.address), ""), Problem, "set pool_mode = transaction")
}

func TestClocksAreCompared(t *testing.T) {
	for difference, want := range map[time.Duration]State{0: OK, 900 * time.Millisecond: OK, 2 * time.Second: Note, 8 * time.Second: Problem} {
		if f := compareClocks(difference, 10*time.Millisecond); f.State != want || (f.Fix == "") != (want == OK) {
			t.Errorf("%s: %+v, not %s", difference, f, want)
		}
	}
	if f := compareClocks(2*time.Second, 4*time.Second); f.State != OK {
		t.Errorf("a slow network: %+v", f)
	}
}
