package dev

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/private"
)

// How long the supervisor waits for a process.
const (
	readyTime = 60 * time.Second // until it sends ready
	openTime  = 60 * time.Second // until it has opened the store and sends serving
	stopTime  = 6 * time.Second  // from stop until it exits; its requests may take five
)

// A child is one process of the application.
type child struct {
	program program
	folder  string
	addr    string // where it listens; set when start returns
	started time.Time

	cmd    *exec.Cmd
	conn   net.Conn      // set before the first line is sent to lines
	lines  chan string   // lines from its socket; closed when the socket ends
	exited chan struct{} // closed when it has exited and all its lines were read
	stderr *errorLog

	working func(string) // as that of its launch
	note    *Note        // set when open returns
}

// A launch describes how to start a process.
type launch struct {
	folder  string
	program program
	environ []string
	out     io.Writer    // receives its stdout and stderr
	working func(string) // called with what it does while it takes long to start; nil: nobody
}

// A program is a build of the application.
type program struct {
	binary string
	build  int
}

// start runs a program and returns when it has sent ready. If the program exits first,
// the error is a [*Failure]. If ctx ends first, the program is killed.
func start(ctx context.Context, l launch) (*child, error) {
	listener, remove, err := listenPrivate()
	if err != nil {
		return nil, fmt.Errorf("start the application: %w", err)
	}
	c := &child{
		program: l.program, folder: l.folder, working: l.working, started: time.Now(),
		lines: make(chan string, 16), exited: make(chan struct{}), stderr: &errorLog{out: l.out},
	}
	c.cmd = exec.Command(l.program.binary)
	c.cmd.Dir = l.folder
	c.cmd.Env = append(l.environ[:len(l.environ):len(l.environ)],
		"PWD="+l.folder, "TOWER_FOLDER="+l.folder, "TOWER_ADDR=127.0.0.1:0", "TOWER_SUPERVISOR="+listener.Addr().String())
	c.cmd.Stdout, c.cmd.Stderr = l.out, c.stderr
	c.cmd.WaitDelay = time.Second
	ownGroup(c.cmd)
	if err := c.startProcess(listener, remove); err != nil {
		return nil, err
	}
	line, err := c.readLine(ctx, readyTime, l.working)
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case err == nil && word == "ready" && rest != "":
		c.addr = rest
		return c, nil
	case err == nil && word == "failed":
		err = errors.New(rest)
	case err == nil:
		err = fmt.Errorf("it sent %q instead of ready", line)
	}
	return nil, c.abandon(ctx, err)
}

// startProcess starts the process, a goroutine that waits for its exit and one that
// reads its socket. Both end when the process exits.
func (c *child) startProcess(listener net.Listener, remove func()) error {
	started := make(chan error)
	heard := make(chan struct{})
	go func() {
		// endWithParent needs this thread to live as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.cmd.Wait()
		_ = kill(c.cmd.Process.Pid) // children that it left behind in its group
		listener.Close()
		<-heard
		close(c.exited)
	}()
	if err := <-started; err != nil {
		listener.Close()
		remove()
		return fmt.Errorf("start the application: %w", err)
	}
	go func() {
		defer close(heard)
		defer close(c.lines)
		conn, err := listener.Accept()
		listener.Close()
		remove()
		if err != nil {
			return
		}
		defer conn.Close()
		c.conn = conn
		for scanner := bufio.NewScanner(conn); scanner.Scan(); {
			select {
			case c.lines <- scanner.Text():
			default: // the protocol has no more lines: drop it
			}
		}
	}()
	return nil
}

// listenPrivate listens on a unix socket in a folder that only this user can access. It
// returns a function that removes the folder. The path is short enough for every
// platform.
func listenPrivate() (net.Listener, func(), error) {
	folder, err := private.Temp("tower-")
	if err == nil && len(folder) > 90 {
		os.Remove(folder)
		folder, err = os.MkdirTemp("/tmp", "tower-")
	}
	if err != nil {
		return nil, nil, err
	}
	remove := func() { os.RemoveAll(folder) }
	listener, err := net.Listen("unix", filepath.Join(folder, "app.sock"))
	if err != nil {
		remove()
		return nil, nil, err
	}
	return listener, remove, nil
}

var errNoAnswer = errors.New("it did not answer in time: does its main function call tower.Main?")

// readLine returns the next line that the process sends, within bound. It hands lines that
// tell of work to working, and waits on. The error is the exit status if the process exits
// first.
func (c *child) readLine(ctx context.Context, bound time.Duration, working func(string)) (string, error) {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	lines := c.lines
	for {
		select {
		case line, ok := <-lines:
			if c.aside(line, working) {
				timer.Reset(bound)
				continue
			}
			if ok {
				return line, nil
			}
			lines = nil // wait for the process to exit
		case <-c.exited:
			for line := range c.lines {
				if !c.aside(line, working) {
					return line, nil
				}
			}
			return "", errors.New(c.cmd.ProcessState.String())
		case <-timer.C:
			return "", errNoAnswer
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// aside handles a line that does not end a wait, and reports whether it is one.
func (c *child) aside(line string, working func(string)) bool {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "working":
		if working != nil {
			working(rest)
		}
	case "note":
		note := &Note{}
		if json.Unmarshal([]byte(rest), note) == nil {
			c.note = note
		}
	default:
		return false
	}
	return true
}

// open lets a process that is ready open the store, and returns when it serves. On an
// error the process is killed.
func (c *child) open(ctx context.Context) error {
	_, err := fmt.Fprintln(c.conn, "open")
	if err == nil {
		var line string
		line, err = c.readLine(ctx, openTime, c.working)
		word, message, _ := strings.Cut(line, " ")
		switch {
		case err == nil && word == "serving":
			return nil
		case err == nil && word == "failed":
			err = errors.New(message)
		case err == nil:
			err = fmt.Errorf("it sent %q instead of serving", line)
		}
	}
	return c.abandon(ctx, err)
}

// abandon kills a process that did not start because of err. It returns a [*Failure]
// with the reason, or the error of ctx if that has ended.
func (c *child) abandon(ctx context.Context, err error) error {
	c.kill()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.failure(startFailure, err.Error())
}

// exitFailure describes a process that has exited on its own.
func (c *child) exitFailure(how string) *Failure { return c.failure(crashFailure, how) }

func (c *child) failure(read func(folder, how string, last, trace []string) *Failure, how string) *Failure {
	last, trace := c.stderr.end()
	f := read(c.folder, how, last, trace)
	if f.Errors[0].File == "" {
		writeLines(c.stderr.out, trace) // f has no place in the source: show the raw trace
	}
	return f
}

// stop sends stop, and kills the process if it does not exit within bound or before hard
// ends. It returns when the process has exited.
func (c *child) stop(hard context.Context, bound time.Duration) {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	fmt.Fprintln(c.conn, "stop")
	select {
	case <-c.exited:
	case <-timer.C:
	case <-hard.Done():
	}
	c.kill()
	_, trace := c.stderr.end()
	writeLines(c.stderr.out, trace)
}

func writeLines(out io.Writer, lines []string) {
	if len(lines) > 0 {
		io.WriteString(out, strings.Join(lines, "\n")+"\n")
	}
}

// kill kills the process and waits until it has exited.
func (c *child) kill() {
	select {
	case <-c.exited:
	default:
		_ = kill(c.cmd.Process.Pid)
		<-c.exited
	}
}
