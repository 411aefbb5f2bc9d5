//go:build linux

package local

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestAServerKeepsItsData(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "postgres")
	ctx := context.Background()
	query := func(address, statement string) (out string) {
		t.Helper()
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if err := conn.QueryRow(ctx, statement).Scan(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	as, err := notRoot()
	if err != nil {
		t.Fatal(err)
	}
	made, err := as.folder(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(made) })
	for run := range 2 {
		s, err := Start(ctx, folder)
		if err != nil {
			t.Fatal(err)
		}
		statement := "SELECT text FROM kept"
		if run == 0 {
			statement = "WITH a AS (SELECT 1) SELECT 'kept'"
			query(s.Address, "SELECT 'x'")
			conn, err := pgx.Connect(ctx, s.Address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(ctx, "CREATE TABLE kept (text text); INSERT INTO kept VALUES ('kept')", pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
			conn.Close(ctx)
		}
		if got := query(s.Address, statement); got != "kept" {
			t.Errorf("run %d: %q", run, got)
		}
		wrong, err := url.Parse(s.Address)
		if err != nil {
			t.Fatal(err)
		}
		wrong.User = url.UserPassword("postgres", "wrong")
		if _, err := pgx.Connect(ctx, wrong.String()); err == nil {
			t.Error("a wrong password is accepted")
		}
		s.Stop()
		if _, err := pgx.Connect(ctx, s.Address); err == nil {
			t.Error("a stopped server answers")
		}
	}
	if err := os.WriteFile(filepath.Join(made, "data", "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(ctx, folder); err == nil || !strings.Contains(err.Error(), "the data are of PostgreSQL 9: remove the folder") {
		t.Errorf("the data of another version: %v", err)
	}
}

func TestNoServerIsInstalled(t *testing.T) {
	was := places
	defer func() { places = was }()
	places = nil
	t.Setenv("PATH", "")
	var missing *MissingError
	if _, err := Start(t.Context(), t.TempDir()); !errors.As(err, &missing) || !strings.Contains(missing.Hint(), "apt install postgresql") {
		t.Errorf("%v", err)
	}
	old := t.TempDir()
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(old, name), []byte("#!/bin/sh\necho 'postgres (PostgreSQL) 9.6.24'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", old)
	if _, _, err := Find(); err == nil || !strings.Contains(err.Error(), "9.6.24 is too old") {
		t.Errorf("%v", err)
	}
}
