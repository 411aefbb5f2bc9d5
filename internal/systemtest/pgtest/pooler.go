//go:build linux

package pgtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const poolerConfig = `[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = 10
server_reset_query =
logfile = %s
pidfile =
`

// Pooler starts PgBouncer before the server, which gives a connection to somebody else after
// each "transaction", or each "statement". It returns the address of a database there, given the server's own. It
// stops when the test ends.
func (s *Server) Pooler(t testing.TB, after string) (address func(direct string) string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; !executable(program) {
			t.Fatal("pgbouncer is missing: script/test installs it")
		}
	}
	credential, err := who()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "tower-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if credential != nil {
		if err := os.Chown(folder, int(credential.Uid), int(credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 { // ports, which somebody else may take first
		if port := s.startPooler(t, program, folder, after); port != 0 {
			return func(direct string) string {
				return strings.Replace(direct, fmt.Sprintf("127.0.0.1:%d", s.Port), fmt.Sprintf("127.0.0.1:%d", port), 1)
			}
		}
	}
	log, _ := os.ReadFile(filepath.Join(folder, "log"))
	t.Fatalf("pgbouncer does not answer: %s", log)
	return nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o111 != 0
}

// startPooler returns the port at which it answers, 0 if it does not start.
func (s *Server) startPooler(t testing.TB, program, folder, after string) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	config := filepath.Join(folder, "config.ini")
	if err := os.WriteFile(config, fmt.Appendf(nil, poolerConfig, s.Port, port, after, filepath.Join(folder, "log")), 0o644); err != nil {
		t.Fatal(err)
	}
	credential, err := who()
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.command(credential, "pgbouncer", "--quiet", config)
	cmd.Path, cmd.Err, cmd.Dir = program, nil, folder
	if err := startOnThread(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?default_query_exec_mode=simple_protocol", port))
		if err == nil {
			conn.Close(ctx)
			cancel()
			return port
		}
		cancel()
		select {
		case <-ended:
			return 0
		default:
		}
	}
	return 0
}
