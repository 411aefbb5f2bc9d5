package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

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
	rowTimeout = "set_config('lock_timeout', '500ms', true)"
	// It begins with the commit at the position, whose data are known, if the log has it.
	tailFrom = `SELECT c.seq, coalesce(l.after, c.seq - 1), tag, CASE WHEN c.seq > $1 THEN data END, key, CASE WHEN c.seq > $1 THEN call END
		FROM tower.commits AS c LEFT JOIN tower.lineages AS l ON l.first = c.seq WHERE c.seq >= $1 ORDER BY c.seq LIMIT $2`

	tailCommits = 1000    // most commits that Tail returns
	tailBytes   = 8 << 20 // about most bytes
	wholeTail   = 1 << 40 // commits: all
)

// Tail returns the commits after a position.
func (l *Log) Tail(ctx context.Context, at store.Position) (tail []store.Entry, err error) {
	err = l.writer.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		b := &pgx.Batch{}
		b.Queue(tailFrom, at.Seq, tailCommits)
		b.Queue(l.look)
		results := conn.SendBatch(ctx, b)
		var has bool
		var mark string
		tail, has, err = readTail(results, at, tailBytes)
		if err == nil {
			err = results.QueryRow().Scan(&mark, &l.foreign)
		}
		if err = errors.Join(err, results.Close()); err == nil {
			err = l.find(ctx, conn, mark)
		}
		if err == nil && !has {
			_, err = l.stand(ctx, conn, at)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return tail, nil
}

// readTail reads the answer to the statement tailFrom, and whether the log has the commit at the
// position.
func readTail(results pgx.BatchResults, at store.Position, budget int) (tail []store.Entry, has bool, err error) {
	rows, err := results.Query()
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for seq := at.Seq; budget > 0 && rows.Next(); {
		var e store.Entry
		var tag int64
		if err := rows.Scan(&e.Seq, &e.After, &tag, &e.Data, &e.Key, &e.Call); err != nil {
			return nil, false, err
		}
		if e.Tag = uint64(tag); e.Seq == at.Seq {
			if has = true; at.Tag != 0 && e.Tag != at.Tag {
				return nil, false, differs(at.Seq)
			}
			continue
		}
		if e.After != seq && !has && tail == nil {
			return nil, false, nil // the position was lost, or is too old
		}
		if e.After != seq {
			return nil, false, fmt.Errorf("the database has commit %d and not %d before it", e.Seq, e.After)
		}
		tail, seq = append(tail, e), e.Seq
		budget -= len(e.Data) + len(e.Call)
	}
	rows.Close()
	return tail, has, rows.Err()
}

// A turn is a transaction that has locked the row of the turn, or one that is expected to.
type turn struct {
	log     *Log
	conn    *pgx.Conn
	expects *store.Position // of the newest commit, if the row is not locked yet
	inbox   *tables.Inbox
	stand   stand
	ended   bool
}

// Turn locks the row of the turn.
func (l *Log) Turn(ctx context.Context, at store.Position) (_ store.Turn, tail []store.Entry, err error) {
	if t := l.expected(at); t != nil {
		return t, nil, nil
	}
	t := &turn{log: l}
	err = l.writer.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		t.conn = conn
		tail, err = t.begin(ctx, at)
		return err
	})
	if err != nil {
		t.End()
		return nil, nil, l.refused(err)
	}
	l.calm.count(t.conn, len(tail) == 0 && len(t.inbox.All) == 0)
	return t, tail, nil
}

// begin locks the row, and reads the state that a turn depends on under the lock.
func (t *turn) begin(ctx context.Context, at store.Position) (tail []store.Entry, err error) {
	l := t.log
	b := &pgx.Batch{}
	queueLock(b)
	locked := b.Len()
	b.Queue(l.head)
	b.Queue(tailFrom, at.Seq, wholeTail)
	results := t.conn.SendBatch(ctx, b)
	for range locked {
		if _, err = results.Exec(); err != nil {
			return nil, errors.Join(err, results.Close())
		}
	}
	var mark string
	var foreign, has bool
	var shape int64
	err = results.QueryRow().Scan(nil, &mark, &t.stand.of, &foreign, &shape)
	if err == nil {
		tail, has, err = readTail(results, at, wholeTail)
	}
	if err = errors.Join(err, results.Close()); err == nil {
		err = l.find(ctx, t.conn, mark)
	}
	if err != nil {
		return nil, err
	}
	switch t.stand.now = l.place.lineage; {
	case len(tail) > 0:
		t.stand.last = tail[len(tail)-1].Seq
	case has:
		t.stand.last = at.Seq
	}
	if !has {
		if t.stand.last, err = l.stand(ctx, t.conn, at); err != nil {
			return nil, err
		}
	}
	if shape != l.shape {
		if err := l.refit(ctx, t.conn, shape); err != nil {
			return nil, err
		}
	}
	t.inbox = &tables.Inbox{}
	if foreign {
		t.inbox, err = l.readInbox(ctx, t.conn)
	}
	return tail, err
}

// refused returns the error of a turn that was not to be had. On a busy machine the time of the
// node may be over before that of the server.
func (l *Log) refused(err error) error {
	if code(err) == lockNotAvailable || errors.Is(err, context.DeadlineExceeded) {
		l.evict()
	}
	return moved(err)
}

// readInbox reads what other programs have written.
func (l *Log) readInbox(ctx context.Context, conn *pgx.Conn) (*tables.Inbox, error) {
	rows, err := conn.Query(ctx, tables.Foreign, l.share)
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
