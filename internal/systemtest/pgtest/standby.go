//go:build linux

package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/systemtest/process"
)

// Standby starts a server that begins with a copy of this one, and then streams from it what
// it commits. It is asynchronous, unless [Server.Synchronous] is called.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby := newServer(s.programs, s.durable)
	t.Cleanup(standby.remove)
	if err := standby.copyOf(s); err != nil {
		t.Fatal(err)
	}
	if err := standby.start(); err != nil {
		t.Fatalf("start a standby: %v", err)
	}
	standby.Level(t, s)
	return standby
}

// copyOf makes the data of a standby.
func (s *Server) copyOf(primary *Server) error {
	credential, err := who()
	if err != nil {
		return err
	}
	if s.folder, err = os.MkdirTemp("", "tower-postgres-"); err != nil {
		return err
	}
	if credential != nil {
		if err := os.Chown(s.folder, int(credential.Uid), int(credential.Gid)); err != nil {
			return err
		}
	}
	cmd := s.command(credential, "pg_basebackup", "--host", "127.0.0.1", "--port", fmt.Sprint(primary.Port), "--username", "postgres",
		"--pgdata", s.data(), "--write-recovery-conf", "--checkpoint", "fast", "--no-sync")
	if _, err := os.Stat(cmd.Path); err != nil {
		cmd.Path = filepath.Join("/usr/bin", "pg_basebackup")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	return nil
}

// Level waits until a standby has what its primary has.
func (s *Server) Level(t testing.TB, primary *Server) {
	t.Helper()
	at := primary.query(t, "SELECT pg_current_wal_flush_lsn()::text")
	process.Until(t, "the standby has what the primary has", func() bool {
		return s.query(t, "SELECT (pg_last_wal_replay_lsn() >= '"+at+"')::text") == "true"
	})
}

// Synchronous has the server acknowledge only what its standby has too.
func (s *Server) Synchronous(t testing.TB) {
	t.Helper()
	s.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	s.Exec(t, "SELECT pg_reload_conf()")
	process.Until(t, "the standby is synchronous", func() bool {
		return s.query(t, "SELECT coalesce(string_agg(sync_state, ','), '') FROM pg_stat_replication") == "sync"
	})
}

// CutOff ends what a standby streams from its primary, for good.
func (s *Server) CutOff(t testing.TB) {
	t.Helper()
	s.Exec(t, "ALTER SYSTEM SET primary_conninfo = ''")
	s.Exec(t, "SELECT pg_reload_conf()")
	process.Until(t, "the standby streams no more", func() bool {
		return s.query(t, "SELECT count(*)::text FROM pg_stat_wal_receiver") == "0"
	})
}

// Promote makes a standby a server that writes.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	if s.query(t, "SELECT pg_promote(true, 300)::text") != "true" {
		t.Fatal("the standby was not promoted in five minutes")
	}
}

// query returns the text that a query answers with.
func (s *Server) query(t testing.TB, query string) (text string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.Address("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, query).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}
