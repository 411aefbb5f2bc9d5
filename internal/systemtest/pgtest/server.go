//go:build linux

package pgtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Server is a running PostgreSQL.
type Server struct {
	Major int // of its version
	Port  int // on 127.0.0.1; it stays the same

	programs programs
	durable  bool
	folder   string
	process  *os.Process
	ended    chan struct{} // closed when the process has ended
}

func newServer(p programs, durable bool) *Server {
	return &Server{Major: p.major, programs: p, durable: durable}
}

// who returns as whom a server runs, since it refuses to run as root.
func who() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("PostgreSQL refuses to run as root: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// access is who may connect how. See [Server.Address].
const access = `host all +guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
`

const guarded = `DO $$ BEGIN
	IF NOT pg_is_in_recovery() THEN CREATE ROLE guarded NOLOGIN; END IF;
	EXCEPTION WHEN duplicate_object THEN END $$`

// start makes the server's data, if there are none, and starts it.
func (s *Server) start() (err error) {
	credential, err := who()
	if err != nil {
		return err
	}
	if s.folder == "" {
		if err := s.create(credential); err != nil {
			return err
		}
	}
	for range 10 { // ports, which somebody else may take first
		if err = s.launch(credential); err == nil || s.Port != 0 {
			return err
		}
	}
	return err
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

func (s *Server) create(credential *syscall.Credential) error {
	folder, err := os.MkdirTemp("", "tower-postgres-")
	if err != nil {
		return err
	}
	s.folder = folder
	if credential != nil {
		if err := os.Chown(folder, int(credential.Uid), int(credential.Gid)); err != nil {
			return err
		}
	}
	cmd := s.command(credential, "initdb", "--pgdata", s.data(), "--username", "postgres", "--auth", "trust", "--locale", "C", "--encoding", "UTF8", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(access), 0o600) // the file is there, and keeps its owner
}

func (s *Server) command(credential *syscall.Credential, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.programs.folder, program), args...)
	cmd.Dir = s.folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	// An immediate shutdown: the server's own processes end too, and it removes what it shares
	// with them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

func (s *Server) launch(credential *syscall.Credential) error {
	port := s.Port
	if port == 0 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		port = listener.Addr().(*net.TCPAddr).Port
		listener.Close()
	}
	settings := []string{
		"listen_addresses=127.0.0.1", fmt.Sprint("port=", port), "unix_socket_directories=",
		"max_connections=200", "shared_buffers=64MB", "timezone=UTC",
	}
	if !s.durable {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", s.data()}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	cmd := s.command(credential, "postgres", args...)
	path := filepath.Join(s.folder, "log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := startOnThread(cmd); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // whether it runs is all that matters
	}()
	s.process, s.ended = cmd.Process, ended
	if err := s.ready(port); err != nil {
		s.end(syscall.SIGQUIT)
		text, _ := os.ReadFile(path)
		return fmt.Errorf("%w: %s", err, text)
	}
	s.Port = port
	return nil
}

// startOnThread starts a program on a thread that stays: the program ends with it.
func startOnThread(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		select {}
	}()
	return <-started
}

// ready waits until the server that was just started answers at the port.
func (s *Server) ready(port int) error {
	var last error
	for begun := time.Now(); time.Since(begun) < 5*time.Minute; time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.ended:
			return fmt.Errorf("it has ended: %w", last)
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port))
		if err == nil {
			var folder string
			if err = conn.QueryRow(ctx, "SHOW data_directory").Scan(&folder); err == nil && folder == s.data() {
				_, err = conn.Exec(ctx, guarded)
			}
			conn.Close(ctx)
			if err == nil {
				cancel()
				return nil
			}
		}
		cancel()
		last = err
	}
	return fmt.Errorf("it does not answer: %w", last)
}

// Stop shuts the server down: connections break, and what was committed is written.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Crash shuts the server down at once: it recovers when it is started again.
func (s *Server) Crash() { s.end(syscall.SIGQUIT) }

// Kill kills the server with SIGKILL. Its own processes end when they notice that.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Pause stops all processes of the server where they are, as on a machine that stands still,
// until Resume.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// signal sends a signal to the server, which then starts no process, and to all that it has
// started.
func (s *Server) signal(signal syscall.Signal) {
	_ = s.process.Signal(signal) // it may have ended, as may the others
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", s.process.Pid))
	for _, child := range strings.Fields(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(pid, signal)
		}
	}
}

func (s *Server) end(signal os.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Signal(signal) // it may have ended
	<-s.ended
	s.process = nil
}

// Restart starts a server again that was stopped or killed.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	var err error
	for range 100 { // processes of one that was killed may be ending still
		if err = s.start(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
}

func (s *Server) remove() {
	s.end(syscall.SIGQUIT)
	if s.folder != "" {
		_ = os.RemoveAll(s.folder)
	}
}
