package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/towerkit/tower/internal/postgres/tables"
	"github.com/towerkit/tower/internal/store"
)

const (
	beginTurn = "BEGIN ISOLATION LEVEL READ COMMITTED"
	// The writer's own statements are no foreign program's. A store that stands still loses
	// its turn, and one that waits for a row of somebody else's lets the others go first.
	settings = `SELECT set_config('tower.writer', 'on', true), set_config('lock_timeout', '2s', true),
		set_config('idle_in_transaction_session_timeout', '2s', true), set_config('statement_timeout', '10s', true)`
	lock = "SELECT FROM tower.turn WHERE one = 1 FOR UPDATE"
	// Everybody waits for who has the turn and waits for a row.
	rowTimeout = "SET LOCAL lock_timeout = '500ms'"
	tailFrom   = `SELECT c.seq, coalesce(l.after, c.seq - 1), tag, data, key, call
		FROM tower.commits AS c LEFT JOIN tower.lineages AS l ON l.first = c.seq WHERE c.seq > $1 ORDER BY c.seq LIMIT $2`

	tailCommits = 1000    // most commits that Tail returns
	tailBytes   = 8 << 20 // about most bytes
	wholeTail   = 1 << 40 // commits: all
)

// Tail returns the commits after a position.
func (l *Log) Tail(ctx context.Context, at store.Position) (tail []store.Entry, err error) {
	err = l.writer.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		b := &pgx.Batch{}
		b.Queue(l.standing, at.Seq)
		b.Queue(tailFrom, at.Seq, tailCommits)
		b.Queue(tables.Waiting)
		results := conn.SendBatch(ctx, b)
		if _, err = l.readStand(results, at); err == nil {
			tail, err = readTail(results, at.Seq, tailBytes)
		}
		if err == nil {
			err = results.QueryRow().Scan(&l.foreign)
		}
		return errors.Join(err, results.Close())
	})
	if err != nil {
		return nil, err
	}
	return tail, nil
}

// readTail reads the answer to the statement tailFrom.
func readTail(results pgx.BatchResults, seq uint64, budget int) (tail []store.Entry, err error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for budget > 0 && rows.Next() {
		var e store.Entry
		var tag int64
		if err := rows.Scan(&e.Seq, &e.After, &tag, &e.Data, &e.Key, &e.Call); err != nil {
			return nil, err
		}
		e.Tag = uint64(tag)
		if e.After != seq {
			return nil, fmt.Errorf("the database has commit %d and not %d before it", e.Seq, e.After)
		}
		tail, seq = append(tail, e), e.Seq
		budget -= len(e.Data) + len(e.Call)
	}
	rows.Close()
	return tail, rows.Err()
}

// A turn is a transaction that has locked the row of the turn.
type turn struct {
	log   *Log
	conn  *pgx.Conn
	inbox *tables.Inbox
	stand stand
	ended bool
}

// Turn locks the row of the turn.
func (l *Log) Turn(ctx context.Context, at store.Position) (_ store.Turn, tail []store.Entry, err error) {
	t := &turn{log: l}
	err = l.writer.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		b := &pgx.Batch{}
		b.Queue(beginTurn)
		b.Queue(settings)
		b.Queue(lock)
		b.Queue(rowTimeout)
		b.Queue(l.standing, at.Seq)
		b.Queue(tailFrom, at.Seq, wholeTail)
		b.Queue(tables.Foreign)
		b.Queue(tables.Shape)
		results := conn.SendBatch(ctx, b)
		tail, err = nil, nil
		for range 4 {
			if _, err = results.Exec(); err != nil {
				break
			}
		}
		if err == nil {
			t.stand, err = l.readStand(results, at)
		}
		if err == nil {
			tail, err = readTail(results, at.Seq, wholeTail)
		}
		if err == nil {
			t.inbox, err = l.readInbox(results)
		}
		var shape int64
		if err == nil {
			err = results.QueryRow().Scan(&shape)
		}
		t.conn = conn
		if err = errors.Join(err, results.Close()); err == nil && shape != l.shape {
			err = l.refit(ctx, conn, shape)
		}
		return err
	})
	if err != nil {
		t.End()
		if code(err) == lockNotAvailable {
			l.evict(ctx)
		}
		return nil, nil, moved(err)
	}
	return t, tail, nil
}

// readInbox reads what other programs have written.
func (l *Log) readInbox(results pgx.BatchResults) (*tables.Inbox, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	return l.tables.ReadForeign(rows)
}

// Foreign returns what other programs have written.
func (t *turn) Foreign() []store.Foreign { return t.inbox.All }

// Foreign reports whether other programs have written something.
func (l *Log) Foreign() bool { return l.foreign }

// Next returns the number of the next commit.
func (t *turn) Next() uint64 { return t.stand.next() }

// End ends the turn without an append.
func (t *turn) End() {
	if !t.ended {
		t.ended = true
		t.log.writer.rollback()
	}
}

const (
	addCommits = `INSERT INTO tower.commits (seq, at, tag, data, key, call)
		SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[])`
	addCalls = `INSERT INTO tower.calls (key, call, at) SELECT key, call, now() FROM unnest($1::bytea[], $2::bytea[]) AS c (key, call)
		ON CONFLICT (key) DO UPDATE SET call = excluded.call`
	tell = "SELECT pg_notify('tower', $1)"
	// A COMMIT that waits for a standby succeeds without it when its time is over.
	unbounded = "SET LOCAL statement_timeout = 0"
)

// Append sends the commits with COMMIT, in one round trip.
func (t *turn) Append(ctx context.Context, commits []store.Appended, calls []store.Call) error {
	if t.ended {
		return errors.New("the turn has ended")
	}
	defer t.End()
	b := &pgx.Batch{}
	if err := t.queue(b, commits, calls); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, roundTrip)
	defer cancel()
	results := t.conn.SendBatch(ctx, b)
	var tag pgconn.CommandTag
	var err error
	for range b.Len() {
		if tag, err = results.Exec(); err != nil {
			break
		}
	}
	err = errors.Join(err, results.Close())
	switch {
	case err == nil && tag.String() != "COMMIT":
		return fmt.Errorf("the server has answered %s in place of COMMIT", tag)
	case err == nil:
		t.ended = true
		return nil
	case !t.conn.IsClosed(), pgconn.SafeToRetry(err), code(err) == idleInTransaction:
		// The server has refused a statement, or has received none: there is no commit.
		if t.conn.IsClosed() {
			return errors.Join(store.ErrMoved, err)
		}
		if code(err) == lockNotAvailable {
			return errors.Join(store.ErrHeld, err)
		}
		if code(err).diskFails() {
			return fmt.Errorf("%w: PostgreSQL cannot write: %w", store.ErrAway, unwrapped(err))
		}
		return moved(err)
	default:
		return fmt.Errorf("%w: the connection to PostgreSQL broke: %w", store.ErrUnknown, unwrapped(err))
	}
}

// queue adds the statements of an append.
func (t *turn) queue(b *pgx.Batch, commits []store.Appended, calls []store.Call) error {
	if len(commits) > 0 {
		if err := t.log.tables.Write(b, commits); err != nil {
			return err
		}
		queueCommits(b, commits)
		t.stand.queueLineage(b, &commits[0])
	}
	t.inbox.Adopt(b, commits)
	queueCalls(b, commits, calls)
	if len(commits) > 0 {
		b.Queue(tell, t.log.node)
	}
	b.Queue(unbounded)
	b.Queue("COMMIT")
	return nil
}

func queueCommits(b *pgx.Batch, commits []store.Appended) {
	n := len(commits)
	seqs, times, tags := make([]int64, n), make([]time.Time, n), make([]int64, n)
	data, keys, calls := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i := range commits {
		c := &commits[i]
		seqs[i], times[i], tags[i] = int64(c.Seq), c.At(), int64(c.Tag)
		data[i], keys[i], calls[i] = c.Data, c.Key, c.Call
	}
	b.Queue(addCommits, seqs, times, tags, data, keys, calls)
}

func queueCalls(b *pgx.Batch, commits []store.Appended, calls []store.Call) {
	latest := map[string]int{} // of a call that takes effect and is answered in one group, the answer
	var keys, values [][]byte
	add := func(key string, call []byte) {
		if at, twice := latest[key]; twice {
			values[at] = call
			return
		}
		latest[key] = len(keys)
		keys, values = append(keys, []byte(key)), append(values, call)
	}
	for i := range commits {
		if c := &commits[i]; len(c.Key) > 0 {
			add(string(c.Key), c.Call)
		}
	}
	for _, c := range calls {
		add(c.Key, c.Call)
	}
	if len(keys) > 0 {
		b.Queue(addCalls, keys, values)
	}
}
