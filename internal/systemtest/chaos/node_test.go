//go:build linux

package chaos

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/systemtest/freeport"
	"github.com/towerkit/tower/internal/systemtest/netcut"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// A node is a process of the application that is started again whenever it ends. It reaches
// the database through a network of its own, and clients reach it through another.
type node struct {
	t       *testing.T
	URL     string // through front
	addr    string
	net     *netcut.Proxy // to the database
	front   *netcut.Proxy // to the node
	address string        // of the database, through net
	folder  string

	mu      sync.Mutex
	cmd     *exec.Cmd
	fresh   bool // it is to begin without its file
	stopped bool // for good
	log     []string
	done    chan struct{}
}

func newNode(t *testing.T, server *pgtest.Server, address string) *node {
	t.Helper()
	n := &node{t: t, addr: fmt.Sprint("127.0.0.1:", freeport.Find(t)), folder: t.TempDir(), done: make(chan struct{})}
	n.net = netcut.New(t, fmt.Sprint("127.0.0.1:", server.Port))
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = n.net.Address()
	n.front = netcut.New(t, n.addr)
	n.URL, n.address = "http://"+n.front.Address(), u.String()
	go n.run()
	t.Cleanup(n.stop)
	return n
}

func (n *node) run() {
	defer close(n.done)
	for n.once() {
		time.Sleep(50 * time.Millisecond) // it may end at once, again and again
	}
}

// once runs the process until it ends. It returns false once the node is stopped.
func (n *node) once() bool {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asNode+"=1", "TOWER_ENV=development", "TOWER_FOLDER="+n.folder, "TOWER_ADDR="+n.addr, "TOWER_DB="+n.address, "GORACE=halt_on_error=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	lines, err := cmd.StderrPipe()
	if err != nil {
		n.t.Error(err)
		return false
	}
	n.mu.Lock()
	if n.stopped {
		n.mu.Unlock()
		return false
	}
	if n.fresh {
		n.fresh = false
		_ = os.RemoveAll(filepath.Join(n.folder, "db"))
	}
	if err := cmd.Start(); err != nil {
		n.mu.Unlock()
		n.t.Error(err)
		return false
	}
	n.cmd = cmd
	n.mu.Unlock()
	for all := bufio.NewScanner(lines); all.Scan(); {
		n.note(all.Text())
	}
	_ = cmd.Wait() // it was killed, or could not begin
	switch cmd.ProcessState.ExitCode() {
	case panicked, raced:
		n.t.Errorf("%s has crashed:\n%s", n.addr, n.said(150))
	}
	return true
}

// The codes with which a process ends.
const (
	panicked = 2
	raced    = 66
)

// said returns the last lines that the process has printed.
func (n *node) said(lines int) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.log[max(len(n.log)-lines, 0):], "\n")
}

// note keeps what the process says.
func (n *node) note(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, line)
	if strings.Contains(line, "level=ERROR") {
		n.t.Log(n.addr, line)
	}
}

func (n *node) signal(s syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(s) // it may have ended
	}
}

// lose kills the process, and takes its file away.
func (n *node) lose() {
	n.mu.Lock()
	n.fresh = true
	n.mu.Unlock()
	n.signal(syscall.SIGKILL)
}

func (n *node) stop() {
	n.mu.Lock()
	n.stopped = true
	n.mu.Unlock()
	n.signal(syscall.SIGKILL)
	<-n.done
	if n.t.Failed() {
		n.t.Logf("%s said:\n%s", n.addr, n.said(60))
	}
}
