package towertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	_ "github.com/towerkit/tower/postgres"
)

// TestNodesConverge lets clients connect to three nodes that share a database, and come back to
// others than those that they have left. A third of the transactions are those of another
// program, in SQL.
func TestNodesConverge(t *testing.T) {
	database := pgtest.Start(t)
	t.Setenv("TOWER_AUDIT", "1ms")
	Converge(t, crashing("", slog.New(slog.DiscardHandler)), Convergence{Steps: 200, Users: "members", open: func(inner testing.TB) cluster {
		return openNodes(t, inner, database)
	}})
}

// openNodes opens three nodes of an application for a trial.
func openNodes(t *testing.T, inner testing.TB, database *pgtest.Server) (all cluster) {
	address := database.Database(inner)
	for range 3 {
		t.Setenv("TOWER_FOLDER", inner.TempDir())
		config := crashing(address, slog.New(slog.NewTextHandler(inner.Output(), nil)))
		app, end := serve(inner, config, server.Pace{Reach: patience, LogWait: patience})
		inner.Cleanup(end)
		all.nodes = append(all.nodes, app)
	}
	conn, err := pgx.Connect(inner.Context(), address)
	if err != nil {
		inner.Fatal(err)
	}
	inner.Cleanup(func() { _ = conn.Close(context.Background()) })
	all.program = func(changes []change) (seq uint64, err error) { return writeTables(inner.Context(), conn, changes) }
	return all
}

// writeTables makes changes in SQL, and waits until they have a number.
func writeTables(ctx context.Context, conn *pgx.Conn, changes []change) (seq uint64, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, c := range changes {
			if err := writeTable(ctx, tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && strings.HasPrefix(refused.Code, "23") {
		return 0, nil // a constraint
	}
	for numbered := false; err == nil && !numbered; <-time.After(time.Millisecond) {
		err = conn.QueryRow(ctx, "SELECT (SELECT coalesce(max(seq), 0) FROM tower.commits), NOT EXISTS (SELECT FROM tower.inbox)").Scan(&seq, &numbered)
	}
	return seq, err
}

func writeTable(ctx context.Context, tx pgx.Tx, c change) error {
	table := pgx.Identifier{c.Model}.Sanitize()
	if c.Op == "delete" {
		_, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE id = $1", string(c.ID))
		return err
	}
	if c.Op == "update" && len(c.Set) == 0 {
		return nil
	}
	var names []string
	set := map[string]json.RawMessage{"id": json.RawMessage(fmt.Sprintf("%q", c.ID))}
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		column := snake(name)
		names, set[column] = append(names, pgx.Identifier{column}.Sanitize()), c.Set[name]
	}
	row, err := json.Marshal(set)
	if err != nil {
		return err
	}
	columns, from := strings.Join(names, ", "), " FROM jsonb_populate_record(NULL::"+table+", $1)"
	if c.Op == "create" {
		if columns != "" {
			columns = ", " + columns
		}
		_, err = tx.Exec(ctx, "INSERT INTO "+table+" (id"+columns+") SELECT id"+columns+from, row)
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE "+table+" SET ("+columns+") = (SELECT "+columns+from+") WHERE id = $2", row, string(c.ID))
	return err
}

// snake returns the name of a field's column.
func snake(name string) string {
	var b strings.Builder
	for _, c := range name {
		if unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
