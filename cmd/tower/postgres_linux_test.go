package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

func init() {
	runBinary = pgtest.Run
	scriptCommands["postgres"] = makeDatabase
	scriptCommands["sql"] = executeSQL
}

// makeDatabase makes an empty database for a script.
func makeDatabase(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: postgres")
	}
	t := ts.Value(testKey{}).(testing.TB)
	ts.Setenv("POSTGRES", pgtest.Shared(t).Database(t))
}

// executeSQL executes statements in the database of a script, and prints the first column of
// what the last one returns.
func executeSQL(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, ts.Getenv("POSTGRES"))
	ts.Check(err)
	defer conn.Close(ctx)
	results, err := conn.PgConn().Exec(ctx, strings.Join(args, " ")).ReadAll()
	ts.Check(err)
	for _, row := range results[len(results)-1].Rows {
		fmt.Fprintf(ts.Stdout(), "%s\n", row[0])
	}
}
