package release

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/private"
)

// Child is the value of TOWER_RELEASES in the processes that a supervisor starts.
const Child = "child"

// Sockets are what processes serve on, one after another.
type Sockets struct {
	Files []*os.File
	Names string // for LISTEN_FDNAMES
}

// A Supervisor runs the current release of a folder. Its fields must be set.
type Supervisor struct {
	Folder  string // of the releases and of the application
	Program string // the name of the program in a release
	Sockets Sockets
	Health  func(context.Context) error // asks the application that serves; an error is the reason why it is not well
	Output  io.Writer                   // receives what the processes print
	Log     *slog.Logger

	current *process       // nil: none, and it will be tried again
	tried   int            // how often in a row a process has ended by itself
	trial   time.Time      // until then the current release is taken back if it ends by itself again
	news    string         // what has happened to it by itself since it was asked for; "": nothing
	gone    sync.WaitGroup // processes that have been stopped, until they have exited
}

// healthTime is how long a release may take to become well after it has begun to serve.
const healthTime = 15 * time.Second

// settleTime is how long it must stay well before the release before it is given up.
const settleTime = 3 * time.Second

// trialTime is how long after a swap a release is taken back if it ends by itself twice.
const trialTime = 5 * time.Minute

// wait is the longest time between two attempts to start a release that ends by itself.
const wait = 30 * time.Second

// A request is a line of somebody who asks.
type request struct {
	words []string
	conn  net.Conn
}

func (s *Supervisor) program(version string) string {
	return filepath.Join(s.Folder, "releases", version, s.Program)
}

// version returns the release that a link leads to, "" if there is none.
func (s *Supervisor) version(link string) string {
	target, err := os.Readlink(filepath.Join(s.Folder, link))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// Run runs the current release until ctx ends. It returns an error if that does not start.
func (s *Supervisor) Run(ctx context.Context) error {
	listener, err := private.Listen(socketPath(s.Folder))
	if err != nil {
		return fmt.Errorf("listen for tower deploy: %w", err)
	}
	requests := make(chan request)
	var askers sync.WaitGroup
	defer askers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer listener.Close()
	askers.Go(func() { accept(ctx, listener, requests, &askers) })
	if s.current, err = s.launch(ctx, s.version("current"), s.say); err != nil {
		return err
	}
	defer func() {
		if s.current != nil {
			s.current.stop(&s.gone)
		}
		s.gone.Wait()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-requests:
			s.answer(ctx, r)
		case <-s.ended():
			s.revive(ctx)
		}
	}
}

func (s *Supervisor) say(text string) { s.Log.Info(text) }

// launch starts a release and returns when it serves.
func (s *Supervisor) launch(ctx context.Context, version string, say func(string)) (*process, error) {
	if version == "" {
		return nil, fmt.Errorf("there is no release in %s: tower deploy brings one", s.Folder)
	}
	p, err := s.start(ctx, version, say)
	if err == nil {
		err = p.open(ctx, say)
	}
	if err != nil {
		return nil, err
	}
	s.Log.Info("serving", "release", version)
	return p, nil
}

// ended returns a channel that is ready when the current process has to be started again.
func (s *Supervisor) ended() <-chan struct{} {
	if s.current != nil {
		return s.current.exited
	}
	done := make(chan struct{})
	time.AfterFunc(min(wait, time.Second<<min(s.tried, 5)), func() { close(done) })
	return done
}

// revive starts the current release again after its process has ended by itself, or the one
// before if the current one is on trial and has ended before.
func (s *Supervisor) revive(ctx context.Context) {
	if p := s.current; p != nil {
		p.kill()
		reason := p.reason(nil)
		s.Log.Error("the application has ended, and starts again", "release", p.version, "error", reason)
		s.current = nil
		again := s.news != ""
		s.news = fmt.Sprintf("%s ended by itself at %s: %v", p.version, now(), reason)
		if was := s.version("previous"); again && was != "" && time.Now().Before(s.trial) {
			s.takeBack(ctx, p.version, was)
			return
		}
		if time.Since(p.started) > time.Minute {
			s.tried = 0
		}
		if s.tried > 0 {
			return // wait first
		}
	}
	s.tried++
	var err error
	if s.current, err = s.launch(ctx, s.version("current"), s.say); err != nil {
		s.news = fmt.Sprintf("at %s it did not start: %v", now(), err)
		s.Log.Error("the application does not start, and is tried again", "error", err)
	}
}

// takeBack makes the release before serve in place of one that ends by itself.
func (s *Supervisor) takeBack(ctx context.Context, failed, was string) {
	s.trial = time.Time{}
	reason := s.news
	err := s.back(ctx, was, failed, errors.New(reason), s.say)
	if s.current != nil && s.current.version == was {
		s.news = fmt.Sprintf("%s was taken back, since it ended by itself twice, at last at %s", failed, now())
		err = errors.Join(err, s.point(was, failed))
	}
	s.Log.Error("a new release ends by itself", "error", err)
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// answer does what somebody asks for. The last line of an answer begins with "done" or
// "failed".
func (s *Supervisor) answer(ctx context.Context, r request) {
	defer r.conn.Close()
	say := func(text string) { fmt.Fprintln(r.conn, "working", oneLine(text)) }
	text, err := "", error(nil)
	switch {
	case len(r.words) == 1 && r.words[0] == "status":
		text = s.status()
	case len(r.words) == 2 && r.words[0] == "swap":
		text, err = s.swap(ctx, r.words[1], say)
	default:
		err = fmt.Errorf("%q is not known; it is status, or swap and a release", strings.Join(r.words, " "))
	}
	if err != nil {
		s.Log.Error("swap", "error", err)
		fmt.Fprintln(r.conn, "failed", oneLine(err.Error()))
		return
	}
	fmt.Fprintln(r.conn, "done", oneLine(text))
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

func (s *Supervisor) status() string {
	if s.current == nil {
		return s.version("current") + " does not run, and is tried again; " + s.news
	}
	text := fmt.Sprintf("%s serves since %s", s.current.version, s.current.started.UTC().Format(time.RFC3339))
	if before := s.version("previous"); before != "" {
		text += ", before: " + before
	}
	if s.news != "" {
		text += "; " + s.news
	}
	return text
}

// swap replaces the current release. If the new one does not start or is not well, the
// current one serves again.
func (s *Supervisor) swap(ctx context.Context, version string, say func(string)) (string, error) {
	if version != filepath.Base(version) || version == "." || version == ".." {
		return "", fmt.Errorf("%q is not the name of a release", version)
	}
	if _, err := os.Stat(s.program(version)); err != nil {
		return "", fmt.Errorf("there is no such release: %w", err)
	}
	was := s.version("current")
	if s.current != nil && s.current.version == version {
		return version + " serves already", nil
	}
	say("starting " + version)
	next, err := s.start(ctx, version, say)
	if err != nil {
		return "", fmt.Errorf("it does not start, and %s still serves: %w", was, err)
	}
	began := time.Now()
	if s.current != nil {
		say("closing " + was)
		s.current.stop(&s.gone)
		s.current = nil
	}
	closed := time.Since(began)
	say("opening " + version)
	if err = next.open(ctx, say); err == nil {
		gap := time.Since(began)
		say("watching " + version)
		if err = s.well(ctx, next); err == nil {
			s.current, s.tried, s.trial, s.news = next, 0, time.Now().Add(trialTime), ""
			s.Log.Info("serving", "release", version, "gap", gap, "closing", closed)
			return fmt.Sprintf("%s serves; clients waited %d ms, %d of them for the old release to close", version, gap.Milliseconds(), closed.Milliseconds()), s.point(version, was)
		}
		next.stop(&s.gone)
	}
	return "", s.back(ctx, was, version, err, say)
}

// back makes the release before a failed one serve again.
func (s *Supervisor) back(ctx context.Context, was, failed string, reason error, say func(string)) (err error) {
	if s.current, err = s.launch(ctx, was, say); err == nil {
		return fmt.Errorf("%s failed, and %s serves again: %w", failed, was, reason)
	}
	var again error
	if s.current, again = s.launch(ctx, failed, say); again == nil { // the data may be only of its form
		return errors.Join(fmt.Errorf("%s serves although it failed: %w; %s does not start any more: %w", failed, reason, was, err), s.point(failed, was))
	}
	return fmt.Errorf("%s failed: %w; and %s does not start any more: %w", failed, reason, was, err)
}

// well waits until the application is well and stays so, or has ended.
func (s *Supervisor) well(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-p.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	var since time.Time // when it was well first
	for {
		err := s.Health(ctx)
		if err != nil {
			since = time.Time{}
		} else if since.IsZero() {
			since = time.Now()
		}
		select {
		case <-ctx.Done():
			<-ended
			return p.reason(cmp.Or(err, errors.New("it was not healthy for long enough")))
		case <-time.After(200 * time.Millisecond):
		}
		if err == nil && time.Since(since) > settleTime {
			return nil
		}
	}
}

// point makes current lead to a release, and previous to the one before.
func (s *Supervisor) point(version, was string) error {
	err := s.link("current", version)
	if err == nil && was != "" {
		err = s.link("previous", was)
	}
	return err
}

func (s *Supervisor) link(name, version string) error {
	next := filepath.Join(s.Folder, "."+name)
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("link %s: %w", name, err)
	}
	err := os.Symlink(filepath.Join("releases", version), next)
	if err == nil {
		err = os.Rename(next, filepath.Join(s.Folder, name))
	}
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	return nil
}

// accept hands on what is asked, until the listener is closed.
func accept(ctx context.Context, listener net.Listener, requests chan<- request, askers *sync.WaitGroup) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		askers.Go(func() {
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second)) // an error is one of reading
			line, err := bufio.NewReader(io.LimitReader(conn, 1000)).ReadString('\n')
			if err == nil {
				select {
				case requests <- request{strings.Fields(line), conn}:
					return
				case <-ctx.Done():
				}
			}
			_ = conn.Close()
		})
	}
}
