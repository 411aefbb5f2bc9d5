package server

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/transport"
)

// drain is the time that running requests have when the application stops, and its workers.
const drain = 5 * time.Second

// Listen describes where an application is served.
type Listen struct {
	Addr       string                        // for HTTP
	Supervisor string                        // path of the supervisor's socket; "": none
	Console    func(*App) (io.Closer, error) // serves consoles once the application is open; nil: none
	Serving    func(net.Addr)                // called when the application answers requests
}

// Run serves the application until ctx ends or a worker fails. With a supervisor it listens without its
// store, opens the store when the supervisor sends "open", and stops when the supervisor
// sends "stop" or is gone.
func (a *App) Run(ctx context.Context, l Listen) error {
	listener, err := net.Listen("tcp", l.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", l.Addr, err)
	}
	defer listener.Close()
	a.config.URL = cmp.Or(a.config.URL, "http://"+listener.Addr().String())
	if l.Supervisor == "" {
		return a.serveUntil(ctx, listener, l.Console, func() { l.Serving(listener.Addr()) })
	}
	supervisor, err := net.Dial("unix", l.Supervisor)
	if err != nil {
		return fmt.Errorf("reach the supervisor: %w", err)
	}
	defer supervisor.Close()
	return a.supervised(ctx, supervisor, listener, l.Console)
}

// supervised speaks the supervisor's protocol, a word on each line: the application sends
// "ready ADDR", the supervisor "open", the application "serving" or "failed REASON", and
// the supervisor "stop".
func (a *App) supervised(ctx context.Context, supervisor net.Conn, listener net.Listener, console func(*App) (io.Closer, error)) error {
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
	fmt.Fprintf(supervisor, "ready %s\n", listener.Addr())
	select {
	case <-ctx.Done():
		return nil
	case word := <-words:
		if word != "open" {
			return fmt.Errorf("the supervisor sent %q, not \"open\"", word)
		}
	}
	err := a.serveUntil(ctx, listener, console, func() { fmt.Fprintln(supervisor, "serving") })
	if err != nil {
		fmt.Fprintf(supervisor, "failed %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	return err
}

// serveUntil opens the application, serves HTTP and consoles until ctx ends, and closes it.
func (a *App) serveUntil(ctx context.Context, listener net.Listener, console func(*App) (io.Closer, error), serving func()) error {
	if err := a.Open(); err != nil {
		return err
	}
	if console != nil {
		if err := a.ServeConsoles(console); err != nil {
			return errors.Join(err, a.Close())
		}
	}
	server := &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ConnContext: transport.ConnContext}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	serving()
	var err error
	select {
	case <-ctx.Done():
		err = a.shutdown(server)
		<-failed
	case <-a.store.Failed():
		err = errors.Join(a.store.Err(), a.shutdown(server))
		<-failed
	case <-a.workers.Failed():
		err = a.shutdown(server)
		<-failed
	case err = <-failed:
	}
	return errors.Join(err, a.Close())
}

// shutdown lets running requests finish within drain. It does not wait for sockets.
func (a *App) shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	a.sockets.Close()
	a.links.Close()
	a.reads.Close()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests did not finish within %s", drain), server.Close())
	}
	return nil
}
