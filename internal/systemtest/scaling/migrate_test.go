//go:build linux

package scaling

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// TestMigrate makes and changes the tables of an application by its command, in production,
// where a node that starts changes none.
func TestMigrate(t *testing.T) {
	program, address, folder := build(t), pgtest.Shared(t).Database(t), t.TempDir()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	run := func(task string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Env = append(os.Environ(), "TOWER_ENV=production", "TOWER_FOLDER="+folder, "TOWER_DB="+address, "TOWER_SECRET="+rand.Text()+rand.Text(), "TOWER_ADDR=127.0.0.1:0", "TOWER_URL=https://example.com", "TOWER_MIGRATE="+task)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	expect := func(task, want string) {
		t.Helper()
		out, err := run(task)
		if text := strings.ReplaceAll(out, `\"`, `"`); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %v\n%s\nwant %s", task, err, out, want)
		}
	}
	tables := func() (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'tower')").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	expect("plan", `CREATE TABLE "public"."cards" (`)
	if tables() != 0 {
		t.Error("the plan has made tables")
	}
	expect("run", `"tables":[{`)
	if tables() == 0 {
		t.Error("there are no tables")
	}
	expect("status", `.replica.db"}}`)
	if _, err := conn.Exec(t.Context(), "ALTER TABLE cards DROP COLUMN title"); err != nil {
		t.Fatal(err)
	}
	if out, err := run(""); err == nil || !strings.Contains(out, "tower db migrate runs these statements") || !strings.Contains(out, "ADD COLUMN") {
		t.Errorf("a node starts although a column is missing: %v\n%s", err, out)
	}
	expect("plan", "adds the column of the field title")
	expect("run", `"tables":[{`)
	expect("plan", `.replica.db"}}`)
	expect("examine", `{"check":"postgres","state":"ok","detail":"the tables are in line with the models"}`)
	if out, err := run("rehearse"); !strings.Contains(out, "tower db migrate changes its tables") {
		t.Errorf("a rehearsal: %v\n%s", err, out)
	}
}
