package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/nodes"
)

var _ nodes.Registry = (*Log)(nil)

const (
	// One node at a time gets a number.
	numberAlone = "SELECT pg_advisory_xact_lock(8390881)"
	forgetNodes = "DELETE FROM tower.nodes WHERE id <> $1 AND seen < now() - make_interval(secs => $2)"
	renewNode   = "UPDATE tower.nodes SET address = $2, build = $3, seq = $4, crowds = $5::text::jsonb, seen = now() WHERE id = $1"
	addNode     = `INSERT INTO tower.nodes (id, number, address, build, started, seq, crowds, seen)
		SELECT $1, (SELECT min(n) FROM generate_series(1, (SELECT count(*) + 1 FROM tower.nodes)) AS n
			WHERE NOT EXISTS (SELECT FROM tower.nodes WHERE number = n)), $2, $3, $4, $5, $6::text::jsonb, now()`
	liveNodes = `SELECT id, number, address, build, started, seq, crowds::text FROM tower.nodes
		WHERE seen >= now() - make_interval(secs => $1) ORDER BY number`
)

// Announce stores a node in the table tower.nodes, and returns those that live, by the clock of
// the server.
func (l *Log) Announce(ctx context.Context, node nodes.Node, within time.Duration) (live []nodes.Node, err error) {
	crowds, err := json.Marshal(node.Crowds)
	if err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, l.others, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, bounded); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, forgetNodes, node.ID, 10*within.Seconds()); err != nil {
			return err
		}
		renewed, err := tx.Exec(ctx, renewNode, node.ID, node.Address, node.Build, int64(node.Commit), string(crowds))
		if err == nil && renewed.RowsAffected() == 0 {
			if _, err = tx.Exec(ctx, numberAlone); err == nil {
				_, err = tx.Exec(ctx, addNode, node.ID, node.Address, node.Build, node.Started, int64(node.Commit), string(crowds))
			}
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, liveNodes, within.Seconds())
		if err == nil {
			live, err = pgx.CollectRows(rows, scanNode)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the table tower.nodes: %w", explain(l.writer.config, err))
	}
	return live, nil
}

func scanNode(row pgx.CollectableRow) (n nodes.Node, err error) {
	var seq int64
	var crowds string
	if err = row.Scan(&n.ID, &n.Number, &n.Address, &n.Build, &n.Started, &seq, &crowds); err != nil {
		return n, err
	}
	n.Commit = uint64(seq)
	return n, json.Unmarshal([]byte(crowds), &n.Crowds)
}

// Running returns how many nodes run. It needs no Begin.
func (l *Log) Running(ctx context.Context) (count int, err error) {
	err = l.others.QueryRow(ctx, "SELECT count(*) FROM tower.nodes WHERE seen >= now() - make_interval(secs => $1)", nodes.Dead.Seconds()).Scan(&count)
	if code(err) == undefinedTable {
		err = errors.New("the database has no history of an application")
	}
	return count, err
}

// Withdraw removes a node.
func (l *Log) Withdraw(ctx context.Context, id string) error {
	_, err := l.others.Exec(ctx, "DELETE FROM tower.nodes WHERE id = $1", id)
	return err
}

// Host returns the host of the server, or the folder of its socket.
func (l *Log) Host() string { return l.writer.config.Host }
