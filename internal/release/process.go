package release

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
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/private"
)

// How long the supervisor waits for a process.
const (
	startTime = 60 * time.Second // until it is ready, or serves; longer while it says that it works
	stopTime  = 12 * time.Second // from stop until it exits: requests may take five seconds, and workers
)

// A process runs one release.
type process struct {
	version string
	started time.Time
	cmd     *exec.Cmd
	conn    net.Conn
	lines   chan string   // that it sends; closed when it hangs up
	closed  chan struct{} // closed when it has closed the store, or has hung up
	exited  chan struct{} // closed when it has exited
}

// start starts a release and returns when it is ready. say receives what it does while that
// takes long.
func (s *Supervisor) start(ctx context.Context, version string, say func(string)) (*process, error) {
	folder, err := private.Temp("tower-")
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", version, err)
	}
	defer os.RemoveAll(folder)
	socket := filepath.Join(folder, "s")
	listener, err := private.Listen(socket)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", version, err)
	}
	defer listener.Close()
	p := &process{version: version, started: time.Now(), lines: make(chan string, 16), closed: make(chan struct{}), exited: make(chan struct{})}
	p.cmd = exec.Command(s.program(version))
	p.cmd.Dir = s.Folder
	p.cmd.Env = append(s.environ(), "TOWER_SUPERVISOR="+socket)
	p.cmd.ExtraFiles = s.Sockets.Files
	p.cmd.Stdout, p.cmd.Stderr = s.Output, s.Output
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", version, err)
	}
	go func() {
		_ = p.cmd.Wait() // its state is in the command
		close(p.exited)
		_ = listener.Close()
	}()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			accepted <- conn
		}
		close(accepted)
	}()
	select {
	case p.conn = <-accepted:
	case <-time.After(startTime):
	case <-ctx.Done():
	}
	if p.conn == nil {
		_ = listener.Close()
		if conn := <-accepted; conn != nil {
			_ = conn.Close()
		}
		select {
		case <-p.exited:
			return nil, p.abandon(ctx, "")
		default:
			return nil, p.abandon(ctx, "it did not call tower.Main")
		}
	}
	go p.read()
	return p, p.expect(ctx, "ready", say)
}

// environ returns the variables of a process without those of this one.
func (s *Supervisor) environ() []string {
	var out []string
	for _, pair := range os.Environ() {
		switch name, _, _ := strings.Cut(pair, "="); name {
		case "TOWER_RELEASES", "TOWER_FOLDER", "TOWER_SUPERVISOR", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "PWD":
		default:
			out = append(out, pair)
		}
	}
	return append(out, "TOWER_RELEASES="+Child, "TOWER_FOLDER="+s.Folder, "PWD="+s.Folder,
		fmt.Sprint("LISTEN_FDS=", len(s.Sockets.Files)), "LISTEN_FDNAMES="+s.Sockets.Names)
}

func (p *process) read() {
	defer close(p.lines)
	defer close(p.closed)
	for scanner := bufio.NewScanner(p.conn); scanner.Scan(); {
		if scanner.Text() == "closed" {
			return // it says no more
		}
		select {
		case p.lines <- scanner.Text():
		default: // nobody waits for it any more
		}
	}
}

// expect waits for a word. On an error the process is killed.
func (p *process) expect(ctx context.Context, wanted string, say func(string)) error {
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	for {
		select {
		case line, open := <-p.lines:
			word, rest, _ := strings.Cut(line, " ")
			switch {
			case !open:
				return p.abandon(ctx, "")
			case word == wanted:
				return nil
			case word == "failed":
				return p.abandon(ctx, rest)
			case word == "working":
				timer.Reset(startTime)
				say(rest)
			}
		case <-timer.C:
			return p.abandon(ctx, fmt.Sprintf("it was not %s within %s", wanted, startTime))
		case <-ctx.Done():
			return p.abandon(ctx, "")
		}
	}
}

// open lets the process open the store, and returns when it serves.
func (p *process) open(ctx context.Context, say func(string)) error {
	_, _ = fmt.Fprintln(p.conn, "open") // if it is gone, there is no answer
	return p.expect(ctx, "serving", say)
}

// abandon kills a process that does not start, and returns the reason.
func (p *process) abandon(ctx context.Context, reason string) error {
	if reason == "" { // it hung up: let it exit by itself
		select {
		case <-p.exited:
		case <-time.After(stopTime):
		}
	}
	p.kill()
	if ctx.Err() != nil {
		return fmt.Errorf("%s: the supervisor ends", p.version)
	}
	if reason == "" {
		reason = p.cmd.ProcessState.String()
	}
	return errors.New(p.version + ": " + reason)
}

// reason returns why a process that has served has ended, or err if it has not.
func (p *process) reason(err error) error {
	select {
	case <-p.exited:
	default:
		return err
	}
	for line := range p.lines {
		if word, rest, _ := strings.Cut(line, " "); word == "failed" {
			return errors.New(p.version + ": " + rest)
		}
	}
	return errors.New(p.version + ": " + p.cmd.ProcessState.String())
}

// stop asks the process to end, and returns when it has closed its store, within a bound. It
// exits in the background, which gone counts.
func (p *process) stop(gone *sync.WaitGroup) {
	_, _ = io.WriteString(p.conn, "stop\n") // if it is gone, it has stopped
	bound := time.After(stopTime)
	select {
	case <-p.closed:
	case <-p.exited:
	case <-bound:
		p.kill()
	}
	gone.Go(func() {
		select {
		case <-p.exited:
		case <-bound:
		}
		p.kill()
	})
}

func (p *process) kill() {
	select {
	case <-p.exited:
	default:
		_ = p.cmd.Process.Kill() // it may have exited meanwhile
		<-p.exited
	}
	if p.conn != nil {
		_ = p.conn.Close()
	}
}
