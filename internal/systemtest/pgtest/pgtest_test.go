//go:build linux

package pgtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/systemtest/process"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

// TestEach finds an empty database on servers of two versions.
func TestEach(t *testing.T) {
	majors := map[int]bool{}
	Each(t, func(t *testing.T, s *Server) {
		majors[s.Major] = true
		conn := connect(t, s.Database(t))
		var tables, version int
		err := conn.QueryRow(t.Context(), "SELECT count(*), current_setting('server_version_num')::int/10000 FROM pg_tables WHERE schemaname = 'public'").Scan(&tables, &version)
		if err != nil || tables != 0 || version != s.Major {
			t.Errorf("%d tables in version %d, want none in %d: %v", tables, version, s.Major, err)
		}
	})
	if len(majors) < 2 && os.Getenv("TOWER_TEST_POSTGRES") == "" {
		t.Errorf("it ran with %v", majors)
	}
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // it may be broken
	return conn
}

// TestPasswords lets such a user in with the password alone.
func TestPasswords(t *testing.T) {
	s := Shared(t)
	s.Exec(t, "CREATE ROLE ada LOGIN PASSWORD 'open' IN ROLE guarded")
	t.Cleanup(func() { s.Exec(t, "DROP ROLE ada") })
	address := s.Address("ada", "postgres")
	if conn, err := pgx.Connect(t.Context(), address); err == nil {
		conn.Close(t.Context())
		t.Error("no password was needed")
	}
	connect(t, strings.Replace(address, "@", ":open@", 1))
}

// TestKillAndRestart finds what was committed after a crash.
func TestKillAndRestart(t *testing.T) {
	s := Start(t)
	s.Exec(t, "CREATE TABLE kept AS SELECT 1 AS n")
	s.Kill()
	s.Restart(t)
	s.Exec(t, "SELECT n FROM kept")
	s.Stop()
	s.Restart(t)
	s.Exec(t, "SELECT n FROM kept")
}

// TestNoServerOutlivesTheBinary kills a test binary that has a server.
func TestNoServerOutlivesTheBinary(t *testing.T) {
	if os.Getenv("PGTEST_CHILD") != "" {
		fmt.Println("server at", Shared(t).Port)
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNoServerOutlivesTheBinary$")
	cmd.Env = append(os.Environ(), "PGTEST_CHILD=1", "TMPDIR="+shareable(t))
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	process.Start(t, cmd)
	port := ""
	for lines := bufio.NewScanner(out); port == "" && lines.Scan(); {
		port, _ = strings.CutPrefix(lines.Text(), "server at ")
		if port == lines.Text() {
			port = ""
		}
	}
	if port == "" {
		t.Fatal("it has started no server")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	process.Until(t, "the server has ended", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// shareable returns a folder that goes with the test, into which other users may look.
func shareable(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "tower-pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o711); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestPauseAndResume stops a server, which then says nothing, and lets it go on.
func TestPauseAndResume(t *testing.T) {
	s := Start(t)
	conn := connect(t, s.Address("postgres", "postgres"))
	s.Pause()
	answered := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT 1")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("a server that was stopped has answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	s.Resume()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
