package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/lineage"
	"github.com/towerkit/tower/internal/store"
)

// A server that takes over from another one begins a timeline of its write-ahead log. A
// database that was restored from a dump is of another server, has another number, or its row
// of the turn was written by another transaction. What all of that says together names the
// lineage of the commits that are made there. A wrong alarm costs some numbers and nothing
// else.

// lineageParts are expressions, in order. A server that cannot answer one, or gives the user
// no right to it, goes without it.
var lineageParts = []string{
	"(SELECT system_identifier::text FROM pg_control_system())",
	timeline,
	"(SELECT oid::text FROM pg_database WHERE datname = current_database())",
	"(SELECT xmin::text FROM tower.turn)",
}

const timeline = "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"

// placeParts are cheap expressions. At least one of them changes whenever a lineage does:
// each turn reads them, under its lock and in its transaction, and reads the epoch and the name
// of the lineage only where they have changed. The identifier of a server is the same as long
// as it runs, and so as long as it has been started when it was. The path of the row's table
// has the number of the database. The timeline is read each time. It cannot change within a
// transaction that writes: a server that becomes a standby ends those, and one that was a
// standby has had none.
var placeParts = []string{
	"pg_postmaster_start_time()",
	timeline,
	"pg_relation_filepath('tower.turn')",
	"(SELECT concat(epoch, '-', xmin) FROM tower.turn)",
}

// newest is an expression for the lineage of the last commit.
const newest = "coalesce((SELECT name FROM tower.lineages ORDER BY first DESC LIMIT 1), '')"

const (
	// standing is a statement for a log that has not the commit at a position: the last commit,
	// the one before the first that is kept, the tag of the commit, and the newest one before that.
	standing = `SELECT coalesce(c.last, 0), coalesce(l.after, c.first - 1, 0),
		(SELECT tag FROM tower.commits WHERE seq = $1), (SELECT max(seq) FROM tower.commits WHERE seq < $1)` + bounds

	bounds = ` FROM (SELECT min(seq) AS first, max(seq) AS last FROM tower.commits) AS c
	LEFT JOIN tower.lineages AS l ON l.first = c.first`

	// reach is a statement for the number after the commit before the first one, and the last one.
	reach = "SELECT coalesce(l.after + 1, c.first, 1), coalesce(c.last, 0)" + bounds
)

// together joins the parts that the server can evaluate into one expression.
func together(ctx context.Context, tx pgx.Tx, parts []string) (string, error) {
	var known []string
	for _, part := range parts {
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT "+part)
			return err
		})
		switch {
		case err == nil:
			known = append(known, part)
		case code(err) == "":
			return "", err
		}
	}
	return "concat_ws('/', " + strings.Join(known, ", ") + ")", nil
}

// A place is where a turn was taken: on which server, in which database.
type place struct {
	mark    string // placeParts
	lineage string // of a commit that is made there
}

// find notes where the log is, if it was elsewhere. It returns an error if the database has
// another history.
func (l *Log) find(ctx context.Context, conn *pgx.Conn, mark string) error {
	if mark == l.place.mark {
		return nil
	}
	var epoch, lineage string
	if err := conn.QueryRow(ctx, l.identity).Scan(&epoch, &lineage); err != nil {
		return err
	}
	if epoch != l.epoch {
		return fmt.Errorf("the database at this address has another history, %s, than the one with which this node began, %s: start the node again, so that it builds its replica anew, or set the right address", epoch, l.epoch)
	}
	l.place = place{mark, lineage}
	return nil
}

// A stand is where the log stands.
type stand struct {
	last    uint64
	of, now string // lineages: of the last commit, and of one that would be made
}

// stand returns the last commit of a log that has not the one at a position. It returns an error
// if the log does not go on from there.
func (l *Log) stand(ctx context.Context, conn *pgx.Conn, at store.Position) (last uint64, err error) {
	var before uint64
	var tag *int64
	var fork *uint64
	if err := conn.QueryRow(ctx, standing, at.Seq).Scan(&last, &before, &tag, &fork); err != nil {
		return 0, err
	}
	switch {
	case tag != nil && at.Tag != 0 && uint64(*tag) != at.Tag:
		return 0, differs(at.Seq)
	case tag != nil || at.Seq == before:
		return last, nil
	case fork != nil:
		return 0, &store.LostError{Fork: *fork}
	case at.Seq < before:
		return 0, store.ErrExpired
	}
	return 0, &store.LostError{Fork: before}
}

func differs(seq uint64) error {
	return fmt.Errorf("commit %d: %w: stop all nodes, run tower db restored, and start them again", seq, store.ErrSetBack)
}

// forked reports whether the next commit is of another lineage than the last one.
func (s *stand) forked() bool { return s.of != s.now && s.of != "" }

// next returns the number of the next commit.
func (s *stand) next() uint64 {
	if s.forked() {
		return lineage.First(s.last, time.Now())
	}
	return s.last + 1
}

const addLineage = "INSERT INTO tower.lineages (first, after, name) VALUES ($1, $2, $3)"

// queueLineage adds the lineage that begins with a commit, if one does.
func (s *stand) queueLineage(b *pgx.Batch, first *store.Appended) {
	if s.of != s.now || first.Seq != first.After+1 {
		b.Queue(addLineage, first.Seq, first.After, s.now)
	}
}
