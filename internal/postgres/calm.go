package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/postgres/tables"
	"github.com/towerkit/tower/internal/store"
)

// calmTurns is after how many turns in which others had written nothing a node expects that of
// the next one.
const calmTurns = 3

// A calm is what turns have found lately on a connection.
type calm struct {
	conn  *pgx.Conn
	turns int // one after another to which others had written nothing
}

// count notes a turn that has the lock.
func (c *calm) count(conn *pgx.Conn, alone bool) {
	if conn != c.conn || !alone {
		c.turns = 0
	}
	if c.conn = conn; alone {
		c.turns++
	}
}

// expected returns a turn that has not the lock yet, if others are expected to have written
// nothing since a position: its Append takes the lock, verifies that, and commits, in one round
// trip. It returns nil otherwise, as when the last look found what other programs have written: a
// turn without commits of its own appends nothing, and would leave that where it is.
//
// Nothing is believed that the server does not confirm under the lock, in the transaction that
// commits: the newest commit, its lineage and the server's are verified there. So an append
// whose fate is not known, and which a network delivers late, commits nothing once this node or
// another one has made a commit.
func (l *Log) expected(at store.Position) *turn {
	conn := l.writer.open()
	if conn == nil || conn != l.calm.conn || l.calm.turns < calmTurns || at.Tag == 0 || l.foreign {
		return nil
	}
	return &turn{log: l, conn: conn, expects: &at, inbox: &tables.Inbox{}, stand: stand{at.Seq, l.place.lineage, l.place.lineage}}
}

// queueLock queues the statements that begin a turn.
func queueLock(b *pgx.Batch) {
	b.Queue(beginTurn)
	b.Queue(settings)
	b.Queue(lock)
}

// queueExpected queues the lock of an expected turn, and what verifies it.
func (t *turn) queueExpected(b *pgx.Batch) {
	if t.expects == nil {
		return
	}
	queueLock(b)
	b.Queue(t.log.expect, int64(t.expects.Seq), int64(t.expects.Tag), t.log.place.mark, t.stand.now, t.log.shape)
}

// statements are those that depend on what the server answers.
type statements struct{ identity, head, look, expect string }

// prepare makes the statements.
func (l *Log) prepare(ctx context.Context, tx pgx.Tx) error {
	mark, err := together(ctx, tx, placeParts)
	name, errName := together(ctx, tx, lineageParts)
	if err := errors.Join(err, errName); err != nil {
		return err
	}
	shape := "(" + tables.Shape + ")"
	l.statements = statements{
		identity: "SELECT (SELECT epoch FROM tower.turn), " + name,
		head:     "SELECT " + rowTimeout + ", " + mark + ", " + newest + ", " + tables.Waiting + ", " + shape,
		look:     "SELECT " + mark + ", " + tables.Waiting,
		expect: "SELECT tower.expect(EXISTS (SELECT FROM (SELECT seq, tag FROM tower.commits ORDER BY seq DESC LIMIT 1) AS c WHERE c.seq = $1 AND c.tag = $2) AND " +
			mark + " = $3 AND " + newest + " = $4 AND NOT " + tables.Waiting + " AND " + shape + " = $5), " + rowTimeout,
	}
	return nil
}
