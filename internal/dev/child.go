package dev

import (
	"bufio"
	"context"
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
)

// Bounds on what is waited for.
const (
	readyTime = 60 * time.Second // to say ready
	openTime  = 60 * time.Second // to open the store and say serving
	stopTime  = 6 * time.Second  // to end when told to: it takes up to five for its requests
)

// A child is one process of the application.
type child struct {
	program program
	folder  string
	addr    string // where it listens; set when start returns
	started time.Time

	cmd    *exec.Cmd
	conn   net.Conn      // set before the first of lines
	lines  chan string   // what it says; closed when its socket ends
	exited chan struct{} // closed when it has ended and all it said was read
	stderr *errorLog
}

// A launch says how to start a process.
type launch struct {
	folder  string
	program program
	environ []string
	out     io.Writer // for what it prints
}

// A program is a build of the application.
type program struct {
	binary string
	build  int
}

// start runs a program and returns when it is ready to be opened. If the
// program ends before, the error is a [*Failure]; if ctx does, it is killed.
func start(ctx context.Context, l launch) (*child, error) {
	listener, remove, err := listenPrivate()
	if err != nil {
		return nil, fmt.Errorf("start the application: %w", err)
	}
	c := &child{
		program: l.program, folder: l.folder, started: time.Now(),
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
	line, err := c.readLine(ctx, readyTime)
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case err == nil && word == "ready" && rest != "":
		c.addr = rest
		return c, nil
	case err == nil && word == "failed":
		err = errors.New(rest)
	case err == nil:
		err = fmt.Errorf("it said %q instead of ready", line)
	}
	return nil, c.abandon(ctx, err)
}

// startProcess starts the process and the two goroutines that listen to it. They end
// when it does.
func (c *child) startProcess(listener net.Listener, remove func()) error {
	started := make(chan error)
	heard := make(chan struct{})
	go func() {
		// The thread is kept for endWithParent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.cmd.Wait()
		_ = kill(c.cmd.Process.Pid) // what it left behind in its group
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
			default: // it says more than it should: nobody waits for it
			}
		}
	}()
	return nil
}

// listenPrivate makes a socket that only this user can reach. It must be short
// enough for every platform.
func listenPrivate() (net.Listener, func(), error) {
	folder, err := os.MkdirTemp("", "tower-")
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

// readLine returns the next line that the process says.
func (c *child) readLine(ctx context.Context, bound time.Duration) (string, error) {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	lines := c.lines
	for {
		select {
		case line, ok := <-lines:
			if ok {
				return line, nil
			}
			lines = nil // and wait for the process to end
		case <-c.exited:
			if line, ok := <-c.lines; ok {
				return line, nil
			}
			return "", errors.New(c.cmd.ProcessState.String())
		case <-timer.C:
			return "", errNoAnswer
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// open lets a process that is ready open the store, and returns when it serves.
func (c *child) open(ctx context.Context) error {
	_, err := fmt.Fprintln(c.conn, "open")
	if err == nil {
		var line string
		line, err = c.readLine(ctx, openTime)
		word, message, _ := strings.Cut(line, " ")
		switch {
		case err == nil && word == "serving":
			return nil
		case err == nil && word == "failed":
			err = errors.New(message)
		case err == nil:
			err = fmt.Errorf("it said %q instead of serving", line)
		}
	}
	return c.abandon(ctx, err)
}

// abandon ends a process that did not come to serve, and says why as a
// [*Failure], unless it was ctx.
func (c *child) abandon(ctx context.Context, err error) error {
	c.kill()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.failure(startFailure, err.Error())
}

// exitFailure describes a process that has ended by itself.
func (c *child) exitFailure(how string) *Failure { return c.failure(crashFailure, how) }

func (c *child) failure(read func(folder, how string, last, trace []string) *Failure, how string) *Failure {
	last, trace := c.stderr.end()
	f := read(c.folder, how, last, trace)
	if f.Errors[0].File == "" {
		writeLines(c.stderr.out, trace) // there is nothing more readable
	}
	return f
}

// stop asks the process to end, and kills it if it does not within bound, or
// when hard ends.
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

// kill ends the process and waits until it has.
func (c *child) kill() {
	select {
	case <-c.exited:
	default:
		_ = kill(c.cmd.Process.Pid)
		<-c.exited
	}
}
