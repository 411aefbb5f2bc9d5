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
	"left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)",
	"(SELECT oid::text FROM pg_database WHERE datname = current_database())",
	"(SELECT xmin::text FROM tower.turn)",
}

// standing is a statement that says where the log stands: the epoch, the last commit, the one
// before the first that is kept, the tag of a commit, the newest one before that, the lineage
// of the last commit, and that of one which would be made now.
const standing = `SELECT (SELECT epoch FROM tower.turn), coalesce(c.last, 0), coalesce(l.after, c.first - 1, 0),
	(SELECT tag FROM tower.commits WHERE seq = $1), (SELECT max(seq) FROM tower.commits WHERE seq < $1),
	coalesce((SELECT name FROM tower.lineages ORDER BY first DESC LIMIT 1), ''), `

const standingFrom = ` FROM (SELECT min(seq) AS first, max(seq) AS last FROM tower.commits) AS c
	LEFT JOIN tower.lineages AS l ON l.first = c.first`

// reach is a statement for the number after the commit before the first one, and the last one.
const reach = "SELECT coalesce(l.after + 1, c.first, 1), coalesce(c.last, 0)" + standingFrom

// nameLineages returns the expression that names the lineage of the database.
func nameLineages(ctx context.Context, tx pgx.Tx) (string, error) {
	var known []string
	for _, part := range lineageParts {
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

// A stand is where the log stands.
type stand struct {
	last, before uint64
	of, now      string // lineages
}

// readStand reads the answer to the statement standing. It returns an error if the log does
// not go on from the position.
func (l *Log) readStand(results pgx.BatchResults, at store.Position) (s stand, err error) {
	var epoch string
	var tag *int64
	var fork *uint64
	if err := results.QueryRow().Scan(&epoch, &s.last, &s.before, &tag, &fork, &s.of, &s.now); err != nil {
		return s, err
	}
	switch {
	case epoch != l.epoch:
		return s, fmt.Errorf("the database at this address has another history, %s, than the one with which this node began, %s: start the node again, so that it builds its replica anew, or set the right address", epoch, l.epoch)
	case tag != nil && at.Tag != 0 && uint64(*tag) != at.Tag:
		return s, fmt.Errorf("commit %d: %w: %s", at.Seq, store.ErrSetBack, sayRestored)
	case tag != nil || at.Seq == s.before:
		return s, nil
	case fork != nil:
		return s, &store.LostError{Fork: *fork}
	case at.Seq < s.before:
		return s, store.ErrExpired
	}
	return s, &store.LostError{Fork: s.before}
}

const sayRestored = "stop all nodes, run tower db restored, and start them again"

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
