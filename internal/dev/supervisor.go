package dev

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// A Supervisor serves an application while it is built, replaced and started
// again. Outside production it follows the source.
type Supervisor struct {
	options     Options
	lock        *folderLock
	listeners   []net.Listener
	buildFolder string // folder of what was built
	url         string
	terminal    *terminal
	gate        *gate
	events      *events
	scripts     *scripts
	bundler     *bundler
	compile     func(ctx context.Context, out string) error

	serving     chan struct{}   // closed when the application first serves
	killCtx     context.Context // ends when nothing may be waited for any longer
	kill        context.CancelFunc
	jobs        sync.WaitGroup
	servedMu    sync.Mutex
	running     atomic.Bool
	done        chan struct{} // closed when Run returns
	releaseOnce sync.Once

	// What follows belongs to Run.
	outcomes     chan outcome
	lastBuild    int // of the last build
	building     *job
	bundling     *job
	restart      *job
	current      *child
	target       *target
	lastGood     program  // the last that served
	failure      *Failure // of the newest source
	bundleErr    *Failure // of the newest scripts
	restartDelay time.Duration
	announced    bool
}

// New returns a supervisor that has not begun.
func New(o Options) *Supervisor {
	s := &Supervisor{
		options: o, terminal: newTerminal(o.Output, o.Color), gate: newGate(), events: newEvents(), scripts: newScripts(),
		serving: make(chan struct{}), done: make(chan struct{}), outcomes: make(chan outcome),
	}
	s.killCtx, s.kill = context.WithCancel(context.Background())
	return s
}

// Open locks the application's folder and listens. The error is a
// [*RunningError] if another process runs the application, and a [*PortError]
// if the port cannot be had.
func (s *Supervisor) Open() error {
	o, err := s.options.withDefaults()
	if err != nil {
		return err
	}
	s.options = o
	s.buildFolder = filepath.Join(o.Folder, "tmp", "build")
	s.bundler = &bundler{folder: o.Folder}
	if s.compile == nil {
		s.compile = func(ctx context.Context, out string) error {
			return build(ctx, o.Folder, out, o.production(), o.Environ)
		}
	}
	if s.lock, err = lockFolder(o.Folder); err != nil {
		return err
	}
	if s.listeners, err = listen(o.Host, o.Port); err != nil {
		s.release()
		return err
	}
	s.url = publicURL(o.Host, portOf(s.listeners[0]))
	err = s.lock.writeOwner(s.url)
	if err == nil {
		err = os.RemoveAll(s.buildFolder) // of one that was killed
	}
	if err != nil {
		s.release()
		return fmt.Errorf("prepare the application's folder: %w", err)
	}
	return nil
}

// URL is where the application is served, once Open has returned.
func (s *Supervisor) URL() string { return s.url }

// Serving is closed when the application first serves.
func (s *Supervisor) Serving() <-chan struct{} { return s.serving }

// Run serves what Open has prepared until ctx ends. Then the application is
// given a few seconds to finish what it has begun, and no process and no
// temporary file is left. In production it returns a [*Failure] when the
// application cannot be built, or does not start at first.
func (s *Supervisor) Run(ctx context.Context) error {
	s.running.Store(true)
	defer close(s.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.killCtx, cancel)()

	var changes chan change
	if !s.options.production() {
		w, err := openWatcher(s.options.Folder)
		if err != nil {
			s.release()
			return err
		}
		changes = w.changes
		s.jobs.Go(func() { w.run(ctx) })
	}
	server := s.serve()
	err := s.loop(ctx, changes)
	cancel()
	s.shutDown(server)
	return err
}

// Close ends Run at once, or takes back Open.
func (s *Supervisor) Close() error {
	s.kill()
	if s.running.Load() {
		<-s.done
	} else if s.lock != nil {
		s.release()
	}
	return nil
}

func (s *Supervisor) serve() *http.Server {
	e := s.events
	if s.options.production() {
		e = nil
	}
	server := &http.Server{
		Handler: newProxy(s.gate, e, s.scripts), ErrorLog: log.New(s.terminal, "", 0),
		ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	for _, l := range s.listeners {
		s.jobs.Go(func() { server.Serve(l) })
	}
	return server
}

// shutDown ends everything that Run began.
func (s *Supervisor) shutDown(server *http.Server) {
	s.building.abort()
	s.bundling.abort()
	s.restart.abort()
	for _, l := range s.listeners {
		l.Close()
	}
	s.events.close()
	s.gate.refuse()
	if s.current != nil {
		notice := time.AfterFunc(noticeDelay, func() { s.terminal.printLine("finishing what has begun; Ctrl-C again ends it at once") })
		s.current.stop(s.killCtx, stopTime)
		notice.Stop()
		s.clearCurrent()
	}
	ctx, cancel := context.WithTimeout(s.killCtx, time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
	s.jobs.Wait()
	s.bundler.close()
	s.release()
}

// noticeDelay is how long an end may take without a word.
const noticeDelay = 500 * time.Millisecond

// release takes back Open.
func (s *Supervisor) release() {
	s.releaseOnce.Do(func() {
		for _, l := range s.listeners {
			l.Close()
		}
		os.RemoveAll(s.buildFolder)
		s.lock.unlock()
	})
}
