//go:build linux

// Package scaling tests an application whose nodes are processes that share a database.
package scaling

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/systemtest/freeport"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	"github.com/towerkit/tower/internal/systemtest/process"
)

// programs is a folder for what the tests build.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "tower-scaling-"); err != nil {
		panic(err)
	}
	code := pgtest.Run(m)
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

// kanban builds that of the guides, as it is.
var kanban = sync.OnceValues(func() (program string, err error) {
	program = filepath.Join(programs, "kanban")
	cmd := exec.Command("go", "build", "-o", program, ".")
	cmd.Dir = filepath.Join("..", "..", "..", "docs", "kanban")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return program, nil
})

func build(t *testing.T) (program string) {
	t.Helper()
	program, err := kanban()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// A node is a process of the application with a folder of its own.
type node struct {
	t       *testing.T
	cmd     *exec.Cmd
	URL     string
	folder  string
	address string // of the database
	output  bytes.Buffer
	printed chan struct{} // closed when it prints nothing more
}

func start(t *testing.T, program, address, folder string) *node {
	t.Helper()
	n := &node{t: t, folder: folder, address: address, printed: make(chan struct{})}
	at := fmt.Sprint("127.0.0.1:", freeport.Find(t))
	n.URL = "http://" + at
	n.cmd = exec.Command(program)
	n.cmd.Env = append(os.Environ(), "TOWER_ENV=development", "TOWER_FOLDER="+folder, "TOWER_ADDR="+at, "TOWER_DB="+address)
	lines, err := n.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	process.Start(t, n.cmd)
	ready := make(chan struct{})
	go func() {
		defer close(n.printed)
		for all := bufio.NewScanner(lines); all.Scan(); {
			fmt.Fprintln(&n.output, all.Text())
			if strings.Contains(all.Text(), n.URL) {
				close(ready)
			}
		}
	}()
	select {
	case <-ready:
	case <-n.printed:
		t.Fatalf("the node has ended: %s", &n.output)
	}
	return n
}

// stop ends the node as an operator does.
func (n *node) stop() {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	<-n.printed
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("the node ended with %v: %s", err, &n.output)
	}
}

// A reading is what the cursor of a column holds as of a position.
type reading struct {
	At      string           `json:"at"`
	Records []map[string]any `json:"records"`
}

// read reads what is to be done, or waits until it is another than at a position.
func (n *node) read(since string) (r reading) {
	n.t.Helper()
	for {
		r, changed := n.readOnce("cards/in?column=todo", since, time.Minute)
		if changed {
			return r
		}
	}
}

// create makes a card.
func (n *node) create(title string) {
	n.t.Helper()
	n.send("POST", "/cards", map[string]any{"title": title, "column": "todo", "place": 1}, http.StatusCreated)
}

func titles(r reading) (all []string) {
	for _, card := range r.Records {
		all = append(all, fmt.Sprint(card["title"]))
	}
	return all
}

// TestNodesShareADatabase starts two nodes of an application on one database. What a client of
// one writes, a client of the other sees at once; and a node that comes later has all of it.
func TestNodesShareADatabase(t *testing.T) {
	program := build(t)
	pgtest.Each(t, func(t *testing.T, server *pgtest.Server) {
		address := server.Database(t)
		a, b := start(t, program, address, t.TempDir()), start(t, program, address, t.TempDir())
		before := b.read("")
		if len(before.Records) != 0 {
			t.Fatalf("an empty database has %v", titles(before))
		}
		a.create("of a")
		after := b.read(before.At)
		if got := titles(after); len(got) != 1 || got[0] != "of a" {
			t.Errorf("the other node has %q", got)
		}
		before = a.read("")
		b.create("of b")
		if got := titles(a.read(before.At)); len(got) != 2 {
			t.Errorf("the first node has %q", got)
		}
		a.stop()
		b.create("while a was away")
		for _, folder := range []string{a.folder, t.TempDir()} {
			late := start(t, program, address, folder)
			if got, want := late.read(""), b.read(""); len(got.Records) != 3 || got.At != want.At {
				t.Errorf("a node that came later has %q at %s, want %q at %s", titles(got), got.At, titles(want), want.At)
			}
			late.stop()
		}
		b.stop()
		if strings.Contains(b.output.String(), "level=ERROR") {
			t.Errorf("the node has printed: %s", &b.output)
		}
	})
}

// TestTheDatabaseCannotBeUsed starts nodes that cannot use their database. Each says what to
// do, and no password.
func TestTheDatabaseCannotBeUsed(t *testing.T) {
	program := build(t)
	server := pgtest.Shared(t)
	server.Exec(t, "CREATE ROLE ada LOGIN PASSWORD 'right' IN ROLE guarded")
	t.Cleanup(func() { server.Exec(t, "DROP ROLE ada") })
	database := server.Database(t)
	guarded := func(password string) string {
		return strings.Replace(database, "postgres@", "ada:"+password+"@", 1)
	}
	closed := fmt.Sprintf("postgres://ada:hidden@127.0.0.1:%d/app", freeport.Find(t))
	for _, c := range []struct{ what, address, says string }{
		{"a wrong password", guarded("hidden"), "refuses the password of the user ada: set the right one"},
		{"a missing right", guarded("right"), "GRANT CREATE ON DATABASE"},
		{"no database", strings.Replace(guarded("right"), "/test_", "/missing_", 1), `make it with CREATE DATABASE "missing_`},
		{"an unknown host", "postgres://ada:hidden@no-such-host.invalid/app", "the host no-such-host.invalid of PostgreSQL is not known"},
		{"no server", closed, "is PostgreSQL running there?"},
		{"no address", "postgres://ada:hidden@[::1/app", "this is no address of PostgreSQL, like postgres://"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cmd := exec.Command(program)
			cmd.Env = append(os.Environ(), "TOWER_ENV=development", "TOWER_FOLDER="+t.TempDir(), "TOWER_ADDR=127.0.0.1:0", "TOWER_DB="+c.address)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.says) {
				t.Errorf("%v: %s", err, out)
			}
			if strings.Contains(string(out), "hidden") || strings.Contains(string(out), ":right") {
				t.Errorf("it says the password: %s", out)
			}
		})
	}
}
