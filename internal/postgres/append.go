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
	addCommits = `INSERT INTO tower.commits (seq, at, tag, data, key, call)
		SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[])`
	addCalls = `INSERT INTO tower.calls (key, call, at) SELECT key, call, now() FROM unnest($1::bytea[], $2::bytea[]) AS c (key, call)
		ON CONFLICT (key) DO UPDATE SET call = excluded.call`
	tell = "SELECT pg_notify('tower', $1)"
	// A COMMIT that waits for a standby succeeds without it when its time is over. One that
	// notifies waits for all others that do.
	unbounded = "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)"
)

// Append sends the commits with COMMIT, in one round trip.
func (t *turn) Append(ctx context.Context, commits []store.Appended, calls []store.Call) error {
	if t.ended {
		return errors.New("the turn has ended")
	}
	defer t.End()
	err := t.append(ctx, commits, calls)
	if err != nil {
		t.log.calm = calm{}
	}
	if len(t.inbox.All) > 0 {
		t.log.adoptLess(err != nil)
	}
	return err
}

// adoptLess has the next turn take less of what other programs have written, since a node that
// is slow may have lost this one by taking too much; or more again.
func (l *Log) adoptLess(less bool) {
	if less {
		l.share = max(l.share/2, 1)
	} else {
		l.share = min(2*l.share, tables.MaxForeign)
	}
}

func (t *turn) append(ctx context.Context, commits []store.Appended, calls []store.Call) error {
	b := &pgx.Batch{}
	t.queueExpected(b)
	begun := b.Len()
	if err := t.queue(b, commits, calls); err != nil {
		return err
	}
	timed, cancel := context.WithTimeout(ctx, roundTrip)
	defer cancel()
	results := t.conn.SendBatch(timed, b)
	var tag pgconn.CommandTag
	var err error
	done := 0
	for range b.Len() {
		if tag, err = results.Exec(); err != nil {
			break
		}
		done++
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
		if code(err).misfits() {
			t.End()
			return t.log.misfit(ctx, err)
		}
		if done < begun {
			t.End()
			return t.log.refused(err)
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
