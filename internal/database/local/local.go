// Package local runs a PostgreSQL server that is installed on this machine, for one application
// under development. It listens on 127.0.0.1 alone, at any free port, with a password of its
// own, and its data are in the application's folder.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oldest is the oldest major version that will do.
const oldest = 15

// startTime bounds how long a server may take until it answers.
const startTime = time.Minute

// A Server is a running PostgreSQL.
type Server struct {
	Address string // postgres://…, with the password
	Version int    // its major version
	Folder  string // of its data, and of nothing else

	command *exec.Cmd
	exited  chan struct{} // closed when it has exited
}

// A MissingError reports that no server is installed.
type MissingError struct {
	found string // one that is too old; "": none
}

func (e *MissingError) Error() string {
	if e.found != "" {
		return fmt.Sprintf("%s is too old: several nodes need PostgreSQL %d or later", e.found, oldest)
	}
	return fmt.Sprintf("several nodes need PostgreSQL %d or later, and none is installed here", oldest)
}

// Hint returns advice for the user.
func (e *MissingError) Hint() string {
	return "install it (apt install postgresql, brew install postgresql), or set TOWER_DB=postgres://user:password@host/database"
}

// places are where installers put the programs of a server, beside those in PATH.
var places = []string{
	"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/usr/libexec/postgresql*",
	"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin",
}

// Find returns the folder of the newest server's programs, and its major version. The error is a
// [*MissingError] if there is none.
func Find() (folder string, version int, err error) {
	missing := &MissingError{}
	for _, at := range candidates() {
		major, text := versionOf(filepath.Join(at, "postgres"))
		if _, err := os.Stat(filepath.Join(at, "initdb")); err != nil || major == 0 {
			continue
		}
		if major < oldest {
			missing.found = text
		} else if major > version {
			folder, version = at, major
		}
	}
	if folder == "" {
		return "", 0, missing
	}
	return folder, version, nil
}

func candidates() (all []string) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			all = append(all, filepath.Dir(path))
		}
	}
	for _, pattern := range places {
		found, _ := filepath.Glob(pattern) // the patterns are right
		slices.Sort(found)
		all = append(all, found...)
	}
	return all
}

var versionText = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// versionOf returns the major version of a program, 0 if it is none of PostgreSQL.
func versionOf(program string) (major int, text string) {
	out, err := exec.Command(program, "--version").Output()
	if found := versionText.FindSubmatch(out); err == nil && found != nil {
		major, _ = strconv.Atoi(string(found[1])) // digits
	}
	return major, strings.TrimSpace(string(out))
}

// Start starts a server with the data in a folder, which it makes if it is not there. It
// returns when the server answers. The caller must stop it.
func Start(ctx context.Context, folder string) (*Server, error) {
	programs, version, err := Find()
	if err != nil {
		return nil, err
	}
	s := &Server{Version: version, exited: make(chan struct{})}
	if err := s.start(ctx, programs, folder); err != nil {
		return nil, fmt.Errorf("start PostgreSQL %d in %s: %w", version, folder, err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, programs, folder string) error {
	as, err := notRoot()
	if err != nil {
		return err
	}
	if folder, err = as.folder(folder); err != nil {
		return err
	}
	s.Folder = folder
	data, secret := filepath.Join(folder, "data"), filepath.Join(folder, "password")
	password, err := os.ReadFile(secret)
	if err != nil {
		password = []byte(rand.Text())
		if err := as.writeFile(secret, password); err != nil {
			return err
		}
	}
	if err := s.makeData(ctx, as, programs, data, secret); err != nil {
		return err
	}
	// One that a killed process left behind ends first; otherwise this says that none runs.
	_ = as.command(ctx, filepath.Join(programs, "pg_ctl"), "-D", data, "-m", "fast", "-w", "stop").Run()
	port, err := freePort()
	if err != nil {
		return err
	}
	s.command = as.command(context.WithoutCancel(ctx), filepath.Join(programs, "postgres"), "-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200")
	path := filepath.Join(folder, "log")
	if err := as.writeFile(path, nil); err != nil {
		return err
	}
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	s.command.Stdout, s.command.Stderr = log, log
	if err := startOnThread(s.command, s.exited); err != nil {
		return err
	}
	if err := s.wait(ctx, data); err != nil {
		s.Stop()
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(text)))
	}
	s.Address = (&url.URL{Scheme: "postgres", User: url.UserPassword("postgres", strings.TrimSpace(string(password))), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/postgres"}).String()
	return nil
}

// makeData makes a cluster of databases, if there is none of this version.
func (s *Server) makeData(ctx context.Context, as user, programs, data, secret string) error {
	was, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	switch major := strings.TrimSpace(string(was)); {
	case err == nil && major != strconv.Itoa(s.Version):
		return fmt.Errorf("the data are of PostgreSQL %s: remove the folder to begin anew, or set TOWER_DB", major)
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	out, err := as.command(ctx, filepath.Join(programs, "initdb"), "--pgdata", data, "--username", "postgres", "--pwfile", secret,
		"--auth", "scram-sha-256", "--locale", "C", "--encoding", "UTF8").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// wait returns when the server says that it answers.
func (s *Server) wait(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, errors.New("it does not answer"))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		// The eighth line of the file says how far it is.
		text, _ := os.ReadFile(filepath.Join(data, "postmaster.pid"))
		if lines := strings.Split(string(text), "\n"); len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready" && lines[0] == strconv.Itoa(s.command.Process.Pid) {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return errors.New("it has ended")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// freePort returns a port that was free a moment ago.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
