package dev

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/deadline"
	"github.com/towerkit/tower/internal/edge"
)

// maxWait is how long a request waits for an application that is not running.
const maxWait = 30 * time.Second

// clientPace ends requests that the application, whose limits can be set, cannot end behind
// the proxy.
var clientPace = deadline.Pace{Wait: time.Minute, Rate: 1 << 10}

// A proxy forwards requests to the application. In development it also serves the bundle
// of app/, and the script and events that keep pages up to date with the source.
type proxy struct {
	gate    *gate
	site    *edge.Site // nil in production: the application itself checks requests
	refused *edge.Log
	events  *events // nil in production
	scripts http.Handler
	wait    time.Duration
	folder  string // of the application's source
	reverse *httputil.ReverseProxy
}

func newProxy(g *gate, site *edge.Site, refused *edge.Log, e *events, scripts http.Handler, folder string) *proxy {
	p := &proxy{gate: g, site: site, refused: refused, events: e, scripts: scripts, wait: maxWait, folder: folder}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:       p.rewrite,
		Transport:     p,
		ErrorHandler:  p.fail,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // it logs only clients that went away
	}
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refusal := p.check(r); refusal != nil {
		refuse(w, r, refusal)
		return
	}
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

// refuse answers a refused request as the application would: with a page for a browser, and
// with JSON, whose message the browser library shows, for a program.
func refuse(w http.ResponseWriter, r *http.Request, refusal *edge.Refusal) {
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		failureView{Title: refusal.Reason, Text: refusal.Error()}.write(w, refusal.Status)
		return
	}
	code := "forbidden"
	if refusal.Status == http.StatusMisdirectedRequest {
		code = "misdirected"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(refusal.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": refusal.Error()}}) // the client may be gone
}

// check returns a refusal of a request that other sites could send through a browser: for a
// host that is not this machine's, or to what tower server itself answers.
func (p *proxy) check(r *http.Request) *edge.Refusal {
	if p.site == nil {
		return nil
	}
	facts := p.site.Facts(r)
	refusal := p.site.CheckHost(r, &facts)
	if refusal == nil && strings.HasPrefix(r.URL.Path, "/_tower/") {
		refusal = p.site.CheckOrigin(r, &facts)
	}
	if refusal != nil {
		p.refused.Refused(r, &facts, refusal)
	}
	return refusal
}

// forwarded are the headers of proxies in front of tower server. The application decides
// whether it believes them.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}

func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	r.SetURL(&url.URL{Scheme: "http", Host: "app"}) // the target's transport dials its own address
	r.Out.Host = r.In.Host
	for _, name := range forwarded {
		if values := r.In.Header[name]; values != nil {
			r.Out.Header[name] = values
		}
	}
	r.Out.Header.Set(edge.PeerHeader, r.In.RemoteAddr)
	if r.Out.Body != nil {
		r.Out.Body = reusableBody{r.Out.Body}
	}
	if p.events != nil && wantsPage(r.In) {
		requestWholePage(r.Out)
	}
}

// A reusableBody ignores Close, so that a request that could not be sent can be sent
// again. The server closes the underlying body.
type reusableBody struct{ io.Reader }

func (reusableBody) Close() error { return nil }

// RoundTrip sends a request to the current target. If the target cannot be reached, it
// sends the request to the next target, as long as the application cannot receive it
// twice. A safe request is repeated once even if the application may have received it,
// and no more often: a request that ends the application must not end it again and again.
func (p *proxy) RoundTrip(request *http.Request) (*http.Response, error) {
	expired := time.NewTimer(p.wait)
	defer expired.Stop()
	again := isSafe(request)
	for {
		pass, err := p.gate.enter(request.Context(), isLinked(request), expired.C)
		if err != nil {
			return nil, err
		}
		version := ""
		if p.events != nil {
			version = p.events.version()
		}
		response, err := pass.target.transport.RoundTrip(request)
		p.gate.leave(pass)
		switch {
		case err == nil:
			if p.events != nil && wantsPage(request) {
				inject(response, version, pageFailure(response, p.folder))
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
		p.gate.waitReplaced(request.Context(), pass.target, 100*time.Millisecond)
		select {
		case <-expired.C:
			return nil, errWaitTimeout
		default:
		}
	}
}

// isLinked reports whether a request is one of several that belong to one connection of a
// client, which one node has.
func isLinked(r *http.Request) bool {
	switch r.URL.Path {
	case "/_tower/stream", "/_tower/poll", "/_tower/send":
		return true
	}
	return false
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

// fail answers a request that the application did not answer.
func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusServiceUnavailable, "The application is not running."
	switch {
	case errors.Is(err, context.Canceled):
		return // the client is gone
	case errors.Is(err, errNotRunning):
	case errors.Is(err, errWaitTimeout):
		text = "The application is not running yet. Please try again in a moment."
	default:
		status, text = http.StatusBadGateway, "The application exited before it answered."
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
		// The page carries the current version, so that it does not reload at once and end
		// the application again.
		writePage(w, status, text+" The terminal shows why.", p.events.version(), nil)
	case errors.Is(err, errNotRunning):
		writePage(w, http.StatusInternalServerError, text, "", p.events.broken())
	default:
		writePage(w, status, text, "", nil)
	}
}
