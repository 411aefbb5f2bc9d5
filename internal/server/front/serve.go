package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Serve accepts connections and serves their requests until [Front.Stop] or [Front.Close] is
// called, and then returns nil, or the error of accepting. Requests may still be served then.
// It obtains certificates that are missing as soon as it begins. Call it once.
func (f *Front) Serve(server *http.Server) error {
	defer close(f.served)
	server.ConnState = f.visits.note
	server.Handler = f.visits.lastly(server.Handler)
	f.servers = []*http.Server{server}
	if f.manager == nil {
		return unlessClosed(server.Serve(f.main))
	}
	config := f.manager.TLSConfig() // HTTP/2, and the challenges of the authority
	config.MinVersion = tls.VersionTLS12
	config.GetCertificate = f.certificate
	server.TLSConfig = config
	redirect := &http.Server{Handler: f.manager.HTTPHandler(http.HandlerFunc(f.redirect)), MaxHeaderBytes: server.MaxHeaderBytes, ReadHeaderTimeout: server.ReadHeaderTimeout, ReadTimeout: time.Minute, WriteTimeout: time.Minute, ErrorLog: server.ErrorLog, ConnState: f.visits.note}
	f.servers = append(f.servers, redirect)
	var beside sync.WaitGroup
	beside.Go(func() {
		if err := unlessClosed(redirect.Serve(f.plain)); err != nil {
			f.log.Error("plain HTTP is not redirected any more", "error", err)
		}
	})
	beside.Go(f.obtain)
	err := unlessClosed(server.ServeTLS(f.main, "", ""))
	f.end()
	if closing := unlessClosed(f.plain.Close()); closing != nil {
		f.log.Error("close the socket of plain HTTP", "error", closing)
	}
	beside.Wait()
	return err
}

// unlessClosed returns the error of a server that accepts no more, nil if that was wanted.
func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Stop ends serving so that no request is lost. The front accepts no more: who comes waits in
// the sockets, if they have been handed over, for the next process. Then Stop calls leave, which
// must end the requests that do not end by themselves, and waits until the requests of all
// connections that were accepted have been answered, or until ctx ends. It returns the error of
// ctx if requests were cut off. Serve must have been called.
//
// [http.Server.Shutdown] would lose some: it hangs up on a connection that was accepted and
// whose first request it has not read yet.
func (f *Front) Stop(ctx context.Context, leave func()) error {
	err := unlessClosed(f.main.Close())
	<-f.served // what was accepted has been noted
	f.visits.end()
	for _, server := range f.servers {
		server.SetKeepAlivesEnabled(false)
	}
	leave()
	err = errors.Join(err, f.visits.wait(ctx))
	if f.manager != nil {
		time.Sleep(flushTime)
	}
	for _, server := range f.servers {
		err = errors.Join(err, server.Close())
	}
	return err
}

// newTime is how long a connection is given to send its first request after it was accepted,
// when the front stops. Browsers open connections that they may need, and leave them silent.
const newTime = 2 * time.Second

// flushTime is how long the last bytes of an answer may take to leave, after its connection of
// HTTP/2 has become idle for net/http.
const flushTime = 10 * time.Millisecond

// The visits are the connections that are waited for when the front stops.
type visits struct {
	mu     sync.Mutex
	since  map[net.Conn]time.Time // of those without a request yet: when they were accepted
	active map[net.Conn]struct{}  // those whose requests are being answered
	ending bool
	fewer  chan struct{} // receives when one has gone, while the front stops
}

// note is the server's hook for the state of a connection.
func (v *visits) note(conn net.Conn, state http.ConnState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.since == nil {
		v.since, v.active, v.fewer = map[net.Conn]time.Time{}, map[net.Conn]struct{}{}, make(chan struct{}, 1)
	}
	delete(v.since, conn)
	delete(v.active, conn)
	switch state {
	case http.StateNew:
		v.since[conn] = time.Now()
	case http.StateActive:
		v.active[conn] = struct{}{}
	}
	select {
	case v.fewer <- struct{}{}:
	default: // it is known already
	}
}

// lastly returns a handler that asks clients to use another connection for their next request
// once the front stops. Those of HTTP/2 hear it in time to send no more.
func (v *visits) lastly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		ending := v.ending
		v.mu.Unlock()
		if ending {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (v *visits) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ending = true
}

// wait returns when no connection is new or active.
func (v *visits) wait(ctx context.Context) error {
	for {
		left, next, fewer := v.left()
		if left == 0 {
			return nil
		}
		timer := time.NewTimer(next)
		select {
		case <-fewer:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%d connections did not finish their requests: %w", left, ctx.Err())
		}
		timer.Stop()
	}
}

// left returns how many connections are waited for, and when one of them is old enough not to
// be.
func (v *visits) left() (left int, next time.Duration, fewer <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	left, next = len(v.active), newTime
	for _, since := range v.since {
		if rest := newTime - time.Since(since); rest > 0 {
			left++
			next = min(next, rest)
		}
	}
	return left, next, v.fewer
}
