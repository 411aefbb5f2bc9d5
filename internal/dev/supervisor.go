package dev

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/edge"
)

// A Supervisor builds and runs an application, serves it under one address, and
// restarts it when it exits. Outside production it also rebuilds it when its source
// changes. A Supervisor is used once: [New], Open, Run, Close.
type Supervisor struct {
	options   Options
	site      *edge.Site
	lock      *folderLock
	listeners []net.Listener
	builds    builds
	url       string
	terminal  *terminal
	gate      *gate
	events    *events
	scripts   *scripts
	nodes     *nodes // nil: there is one
	bundler   *bundler
	compile   func(ctx context.Context, out string) error

	serving     chan struct{}   // closed when the application first serves
	killCtx     context.Context // ends when Run must end without waiting
	kill        context.CancelFunc
	jobs        sync.WaitGroup
	servedMu    sync.Mutex // held while Options.Served runs
	running     atomic.Bool
	done        chan struct{} // closed when Run returns
	releaseOnce sync.Once

	// The fields below belong to the goroutine of Run.
	outcomes     chan outcome
	lastBuild    int // number of the last build that was started
	building     *job
	bundling     *job
	restart      *job
	current      *child
	silent       *child // has ended its socket
	target       *target
	lastGood     program  // last program that served
	failure      *Failure // error of the newest source, or nil
	bundleErr    *Failure // error of the newest scripts, or nil
	restartDelay time.Duration
	announced    bool
}

// New returns a supervisor that is not running yet.
func New(o Options) *Supervisor {
	s := &Supervisor{
		options: o, terminal: newTerminal(o.Output, o.Color), gate: newGate(), events: newEvents(), scripts: newScripts(),
		serving: make(chan struct{}), done: make(chan struct{}), outcomes: make(chan outcome),
	}
	s.killCtx, s.kill = context.WithCancel(context.Background())
	return s
}

// Open locks the application's folder and listens. The error is a [*RunningError] if
// another process runs the application, and a [*PortError] if the port is not
// available.
func (s *Supervisor) Open() error {
	o, err := s.options.withDefaults()
	if err != nil {
		return err
	}
	s.options = o
	if s.site, err = o.site(); err != nil {
		return err
	}
	s.builds = buildsIn(o.Folder)
	s.bundler = &bundler{folder: o.Folder}
	if s.compile == nil {
		s.compile = func(ctx context.Context, out string) error {
			leftOut, err := Target{Folder: o.Folder, Out: out, Production: o.production(), Environ: o.Environ}.build(ctx)
			if err == nil && len(leftOut) > 0 {
				s.terminal.printLine(LeftOut(leftOut))
			}
			return err
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
		err = s.builds.open()
	}
	if err != nil {
		s.release()
		return fmt.Errorf("prepare the application's folder: %w", err)
	}
	return nil
}

// URL returns the address of the application. It may be called after Open.
func (s *Supervisor) URL() string { return s.url }

// Nodes returns the addresses of the nodes that serve the newest build, which only this machine
// can reach, and a channel that is closed when they change.
func (s *Supervisor) Nodes() (urls []string, changed <-chan struct{}) {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	for _, t := range s.gate.targets {
		urls = append(urls, "http://"+t.addr)
	}
	return urls, s.gate.changed
}

// Serving returns a channel that is closed when the application first serves.
func (s *Supervisor) Serving() <-chan struct{} { return s.serving }

// Run builds and serves the application until ctx ends. Then it gives the application a
// few seconds to finish its requests, and returns when no process is left, and no temporary
// file but the program that served last. Open must have been called. In production Run
// returns a [*Failure] if the first build fails or does not start.
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
	var others sync.WaitGroup
	if s.options.Nodes > 1 {
		s.nodes = newNodes(s, s.options.Nodes)
		others.Go(func() { s.nodes.run(ctx) })
	}
	err := s.loop(ctx, changes)
	cancel()
	s.shutDown(server, &others)
	return err
}

// Close ends Run without waiting for requests, and returns when Run has. If Run was not
// called, Close undoes Open. It may be called concurrently with Run.
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
	site, e := s.site, s.events
	if s.options.production() {
		site, e = nil, nil
	}
	refused := edge.NewLog(slog.New(slog.NewTextHandler(s.terminal, nil)))
	server := &http.Server{
		Handler: clientPace.Handler(newProxy(s.gate, site, refused, e, s.scripts, s.options.Folder)), ErrorLog: log.New(s.terminal, "", 0),
		MaxHeaderBytes: 64 << 10, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	for _, l := range s.listeners {
		s.jobs.Go(func() { server.Serve(l) })
	}
	return server
}

// shutDown ends all goroutines and processes of Run, and undoes Open.
func (s *Supervisor) shutDown(server *http.Server, others *sync.WaitGroup) {
	s.building.abort()
	s.bundling.abort()
	s.restart.abort()
	for _, l := range s.listeners {
		l.Close()
	}
	s.events.close()
	s.gate.refuse()
	if s.current != nil {
		notice := time.AfterFunc(noticeDelay, func() { s.terminal.printLine("finishing requests; press Ctrl-C again to stop at once") })
		s.current.stop(s.killCtx, stopTime)
		notice.Stop()
		s.clearCurrent()
	}
	others.Wait()
	ctx, cancel := context.WithTimeout(s.killCtx, time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
	s.jobs.Wait()
	s.bundler.close()
	s.release()
}

// noticeDelay is how long a shutdown may take before the terminal mentions it.
const noticeDelay = 500 * time.Millisecond

// release undoes Open. Calls after the first do nothing.
func (s *Supervisor) release() {
	s.releaseOnce.Do(func() {
		for _, l := range s.listeners {
			l.Close()
		}
		s.builds.close(s.lastGood.build)
		s.lock.unlock()
	})
}
