//go:build linux

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

// LimitFiles lets no file of the server grow beyond some bytes, as on a disk that is full. 0
// lifts the limit.
func (s *Server) LimitFiles(t testing.TB, bytes uint64) {
	t.Helper()
	limit := "unlimited"
	if bytes > 0 {
		limit = fmt.Sprint(bytes)
	}
	s.limitFiles(t, s.process.Pid, limit) // processes that begin from now on inherit it
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.Address("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT pid FROM pg_stat_activity")
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		s.limitFiles(t, pid, limit)
	}
}

// limitFiles limits a process of the server, as the user that it runs as.
func (s *Server) limitFiles(t testing.TB, pid int, limit string) {
	t.Helper()
	credential, err := who()
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.command(credential, "prlimit", "--pid", fmt.Sprint(pid), "--fsize="+limit+":")
	cmd.Path = "/usr/bin/prlimit" // of util-linux
	out, err := cmd.CombinedOutput()
	if _, gone := os.Stat(fmt.Sprint("/proc/", pid)); err != nil && !errors.Is(gone, os.ErrNotExist) {
		t.Fatalf("%v: %s", err, out)
	}
}
