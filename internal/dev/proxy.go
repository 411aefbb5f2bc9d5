package dev

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// maxWait is how long a request waits for an application that does not run.
const maxWait = 30 * time.Second

// A proxy passes requests on to the application. In development it also serves
// what the pages need to follow the source.
type proxy struct {
	gate    *gate
	events  *events // nil in production
	scripts http.Handler
	wait    time.Duration
	reverse *httputil.ReverseProxy
}

func newProxy(g *gate, e *events, scripts http.Handler) *proxy {
	p := &proxy{gate: g, events: e, scripts: scripts, wait: maxWait}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:       p.rewrite,
		Transport:     p,
		ErrorHandler:  p.fail,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // of answers that a client did not wait for
	}
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case p.events != nil && r.URL.Path == "/_tower/dev.js":
		serveScript(w, r)
	case p.events != nil && r.URL.Path == "/_tower/dev":
		p.events.ServeHTTP(w, r)
	case p.events != nil && strings.HasPrefix(r.URL.Path, scriptsURL):
		p.scripts.ServeHTTP(w, r)
	default:
		p.reverse.ServeHTTP(w, r)
	}
}

func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	r.SetURL(&url.URL{Scheme: "http", Host: "app"}) // a target knows where it is
	r.Out.Host = r.In.Host
	r.SetXForwarded()
	if proto := r.In.Header.Get("X-Forwarded-Proto"); proto != "" && p.events == nil {
		r.Out.Header.Set("X-Forwarded-Proto", proto) // of what stands before this in production
	}
	if r.Out.Body != nil {
		r.Out.Body = reusableBody{r.Out.Body}
	}
	if p.events != nil && wantsPage(r.In) {
		requestWholePage(r.Out)
	}
}

// A reusableBody stays open when a request could not be sent, so that it can be
// sent again. The server closes what is below it.
type reusableBody struct{ io.Reader }

func (reusableBody) Close() error { return nil }

// RoundTrip sends a request to the current target, or to the next one, as long
// as that cannot make the application see it twice. A request that is safe to
// repeat is sent again once: one that ends the application must not end it for
// ever.
func (p *proxy) RoundTrip(request *http.Request) (*http.Response, error) {
	expired := time.NewTimer(p.wait)
	defer expired.Stop()
	again := isSafe(request)
	for {
		t, err := p.gate.enter(request.Context(), expired.C)
		if err != nil {
			return nil, err
		}
		version := ""
		if p.events != nil {
			version = p.events.version()
		}
		response, err := t.transport.RoundTrip(request)
		p.gate.leave(t)
		switch {
		case err == nil:
			if p.events != nil && wantsPage(request) {
				inject(response, version)
			}
			return response, nil
		case request.Context().Err() != nil:
			return nil, err
		case neverSent(err):
		case again:
			again = false
		default:
			return nil, err
		}
		p.gate.waitReplaced(request.Context(), t, 100*time.Millisecond)
		select {
		case <-expired.C:
			return nil, errWaitTimeout
		default:
		}
	}
}

func isSafe(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r.Body == nil || r.Body == http.NoBody
	}
	return false
}

func neverSent(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}

// fail answers a request that the application did not.
func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusServiceUnavailable, "The application does not run."
	switch {
	case errors.Is(err, context.Canceled):
		return // nobody waits for an answer
	case errors.Is(err, errNotRunning):
	case errors.Is(err, errWaitTimeout):
		text = "The application is not running yet. Please try again in a moment."
	default:
		status, text = http.StatusBadGateway, "The application ended before it answered."
	}
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	page := isSafe(r) && strings.Contains(r.Header.Get("Accept"), "text/html")
	switch {
	case p.events == nil || !page:
		http.Error(w, text, status)
	case status == http.StatusBadGateway:
		// Loaded again at once, it would end the application again.
		writePage(w, status, text+" The terminal says why.", p.events.version(), nil)
	case errors.Is(err, errNotRunning):
		writePage(w, http.StatusInternalServerError, text, "", p.events.broken())
	default:
		writePage(w, status, text, "", nil)
	}
}
