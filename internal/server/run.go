package server

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/migrate"
	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/server/front"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/transport"
	"github.com/towerkit/tower/internal/store"
)

// drain is the time that running requests have when the application stops, and its workers.
const drain = 5 * time.Second

// jobsGrace is the part of drain after which the contexts of running jobs end, in production.
const jobsGrace = 2 * time.Second

// The ballast counts as live memory. Go collects garbage when the heap has doubled, so it leaves a small
// heap alone until that has 32 MiB. Nobody writes to the ballast, so it takes no resident memory.
var ballast = make([]byte, 16<<20)

// Listen describes where an application is served.
type Listen struct {
	Front      front.Options                 // where it is reached, without a supervisor
	Supervisor string                        // path of the supervisor's socket; "": none
	Socket     string                        // path of the socket for consoles, which another build may serve
	Console    func(*App) (io.Closer, error) // serves consoles once the application is open; nil: none
	Serving    func(url string)              // called when the application answers requests
}

// Run serves the application until ctx ends or a worker fails. With a supervisor it listens without its
// store, opens the store when the supervisor sends "open", and stops when the supervisor
// sends "stop" or is gone.
func (a *App) Run(ctx context.Context, l Listen) error {
	if l.Supervisor != "" && !l.Front.Handed {
		l.Front = front.Options{Addr: l.Front.Addr} // the supervisor is reached, and asks
	}
	web, err := front.Open(l.Front)
	if err != nil {
		return err
	}
	defer web.Close()
	a.config.URL = cmp.Or(a.config.URL, web.URL())
	if l.Supervisor == "" {
		return a.serveUntil(ctx, web, l.Console, a.logging(), func() { l.Serving(web.URL()) })
	}
	supervisor, err := net.Dial("unix", l.Supervisor)
	if err != nil {
		return fmt.Errorf("reach the supervisor: %w", err)
	}
	defer supervisor.Close()
	return a.supervised(ctx, supervisor, web, l)
}

// supervised speaks the supervisor's protocol, a word on each line: the application sends
// "ready ADDR", the supervisor "open", the application "serving" or "failed REASON",
// the supervisor "stop", and the application "closed", when another process may open its store. Before it is ready, and before it serves, the application may
// send "working TEXT" while it migrates records and "note JSON", a migrate.Note, and later "migrate" when a build that
// could not start for its migrations may start.
func (a *App) supervised(ctx context.Context, supervisor net.Conn, web *front.Front, l Listen) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	words := make(chan string)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer supervisor.Close()
	reader.Go(func() {
		defer cancel() // stop, or the supervisor is gone
		lines := bufio.NewScanner(supervisor)
		for lines.Scan() && lines.Text() != "stop" {
			select {
			case words <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	})
	working := func(progress string) { fmt.Fprintf(supervisor, "working %s\n", oneLine(progress)) }
	if err := a.Opening(working).Ahead(ctx, l.Socket, a.config.Data); err != nil {
		fmt.Fprintf(supervisor, "failed %s\n", oneLine(err.Error()))
		return err
	}
	fmt.Fprintf(supervisor, "ready %s\n", web.Addr())
	select {
	case <-ctx.Done():
		return nil
	case word := <-words:
		if word != "open" {
			return fmt.Errorf("the supervisor sent %q, not \"open\"", word)
		}
	}
	note := func(n *migrate.Note) {
		if text, err := json.Marshal(n); err == nil { // its fields can always be encoded
			fmt.Fprintf(supervisor, "note %s\n", text)
		}
	}
	err := a.serveUntil(ctx, web, l.Console, listener{working, note}, func() {
		fmt.Fprintln(supervisor, "serving")
		reader.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-a.approved:
					fmt.Fprintln(supervisor, "migrate")
				case <-ctx.Done():
				}
			}
		})
	})
	if err != nil {
		fmt.Fprintf(supervisor, "failed %s\n", oneLine(err.Error()))
	}
	fmt.Fprintln(supervisor, "closed")
	return err
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// serveUntil opens the application, serves HTTP and consoles until ctx ends, and closes it.
// to receives what opening says.
func (a *App) serveUntil(ctx context.Context, web *front.Front, console func(*App) (io.Closer, error), to listener, serving func()) error {
	gate := &entrance{probes: a.probes, opened: make(chan struct{})}
	server := &http.Server{Handler: gate, MaxHeaderBytes: limit.MaxHeader, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ConnContext: transport.ConnContext}
	failed := make(chan error, 1)
	serve := func() { failed <- web.Serve(server) }
	if !web.Handed() {
		go serve()
	}
	err := a.open(ctx, to)
	if err == nil && console != nil {
		if err = a.ServeConsoles(console); err != nil {
			err = errors.Join(err, a.Close())
		}
	}
	if err != nil {
		if web.Handed() { // who waits in the sockets may be served by another release
			return err
		}
		closing := server.Close()
		<-failed
		return errors.Join(err, closing)
	}
	gate.open(a.Handler())
	if web.Handed() {
		go serve()
	}
	serving()
	err = a.await(ctx, failed)
	runtime.KeepAlive(ballast)
	return errors.Join(err, a.shutdown(web), a.Close())
}

// Work opens the application and its consoles, runs its jobs until ctx ends or a worker fails, and
// serves no requests.
func (a *App) Work(ctx context.Context, console func(*App) (io.Closer, error)) error {
	if err := a.open(ctx, a.logging()); err != nil {
		return err
	}
	if console != nil {
		if err := a.ServeConsoles(console); err != nil {
			return errors.Join(err, a.Close())
		}
	}
	a.log.Info("running jobs", "workers", a.config.Jobs.Workers)
	err := a.await(ctx, nil)
	return errors.Join(err, a.Close())
}

// await returns when ctx ends, or with the reason for which the application has to end.
func (a *App) await(ctx context.Context, failed <-chan error) error {
	select {
	case <-ctx.Done():
	case <-a.store.Failed():
		return a.store.Err()
	case <-a.store.Outdated():
		return errOutdated
	case <-a.workers.Failed(): // Close returns why
	case err := <-failed:
		return err
	}
	return nil
}

// shutdown lets running requests finish within drain. It does not wait for sockets.
func (a *App) shutdown(web *front.Front) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	a.setUnready(closing)
	err := web.Stop(ctx, func() {
		a.sockets.Close()
		a.links.Close()
		a.reads.Close()
		a.config.Mailbox.Close()
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests did not finish within %s", drain)
	}
	return err
}

// joinNodes makes the application known to its other nodes, if it shares a log with them.
func (a *App) joinNodes(ctx context.Context, log store.Log, secrets []string) (err error) {
	registry, shares := log.(nodes.Registry)
	if !shares {
		return nil
	}
	a.nodes, err = nodes.Join(ctx, nodes.Options{Registry: registry, Secrets: secrets, Address: a.config.Address, Build: a.config.Build, State: a.stateForNodes, Heard: a.heardNodes, Log: a.log})
	return err
}

// stateForNodes returns what other nodes should know of this one.
func (a *App) stateForNodes() (state nodes.State) {
	if a.engine == nil { // it joins before it serves
		return state
	}
	state.Commit = a.engine.Seq()
	for _, c := range a.hub.places.Crowds() {
		state.Crowds = append(state.Crowds, nodes.Crowd(c))
	}
	return state
}

// heardNodes takes in what other nodes have announced.
func (a *App) heardNodes(others []nodes.Node) {
	a.guesses.Share(len(others) + 1)
	if a.hub == nil {
		return
	}
	var crowds []limit.Crowd
	for _, n := range others {
		for _, c := range n.Crowds {
			crowds = append(crowds, limit.Crowd(c))
		}
	}
	a.hub.places.Elsewhere(len(others), crowds)
}
