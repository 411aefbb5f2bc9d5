package chain

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/compress"
	"github.com/towerkit/tower/internal/deadline"
	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/requestid"
	"github.com/towerkit/tower/internal/server/tracing"
)

// defaultPolicy is the Content-Security-Policy unless Config has one.
const defaultPolicy = "default-src 'self'; script-src 'self' {nonce}; style-src 'self' {nonce}; img-src 'self' data:; base-uri 'self'; form-action 'self'; frame-ancestors 'self'; object-src 'none'"

// Config describes a chain.
type Config struct {
	Site   *edge.Site
	Log    *slog.Logger
	Pace   deadline.Pace // that clients keep up with
	Access *AccessLog    // nil: none
	Traces *tracing.Recorder
	Probes map[string]http.Handler         // by path: they answer under any host, before the application's middleware
	Policy string                          // Content-Security-Policy, with "{nonce}" where a nonce may stand; "": defaultPolicy
	Wrap   func(http.Handler) http.Handler // the application's middleware; nil: none
	// Observe receives each request, by the name of its route; nil: nobody counts them.
	Observe func(route string, status int, took time.Duration)
	// Token reports whether a request carries a token. It fails if that is not valid.
	Token func(*http.Request) (bool, error)
	// Fail answers a request with an error, and logs an internal one.
	Fail func(http.ResponseWriter, *http.Request, error)
}

// A chain is the handler of an application.
type chain struct {
	Config
	refusals *edge.Log
	policy   []string // without a nonce
	routes   http.Handler
}

// New returns the handler of all requests of an application.
func New(config Config, routes http.Handler) http.Handler {
	if config.Policy == "" {
		config.Policy = defaultPolicy
	}
	if config.Wrap != nil {
		routes = config.Wrap(routes)
	}
	c := &chain{Config: config, refusals: edge.NewLog(config.Log), policy: []string{withNonce(config.Policy, "")}}
	c.routes = compress.Handler(recovered{routes})
	return c
}

func (c *chain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &Exchange{Context: r.Context(), chain: c, started: time.Now(), Facts: c.Site.Facts(r)}
	x.ID = cmp.Or(x.Facts.RequestID, requestid.New())
	defer c.trace(x, r)()
	body := x.w.Begin(c.Pace, w, r.Body, x.started)
	defer x.w.End()
	r = r.WithContext(x)
	r.Body = body
	if probe := c.Probes[r.URL.Path]; probe != nil {
		x.Route = r.URL.Path
		c.head(x)
		recovered{probe}.ServeHTTP(x, r)
		c.recover(x, r)
	} else if err := c.check(x, r); err != nil {
		c.Fail(x, r, err)
	} else if !x.begun {
		c.routes.ServeHTTP(x, r)
		c.recover(x, r)
	}
	if c.Access != nil {
		c.Access.exchange(x, r)
	}
	if c.Observe != nil {
		c.Observe(cmp.Or(x.Route, "none"), cmp.Or(x.status, http.StatusOK), time.Since(x.started))
	}
	if x.broken {
		panic(http.ErrAbortHandler) // the client must not take the answer for complete
	}
}

// trace begins the span of a request, and returns what ends it. Probes have none, nor have
// requests that carry frames, which have their own.
func (c *chain) trace(x *Exchange, r *http.Request) func() {
	switch r.URL.Path {
	case "/_tower/stream", "/_tower/poll", "/_tower/send":
		return func() {}
	}
	if c.Traces == nil || c.Traces.Tracer == nil || c.Probes[r.URL.Path] != nil {
		return func() {}
	}
	method := tracing.Method(r.Method)
	ctx, end := c.Traces.Start(x.Context, tracing.Span{Name: method, Entry: true, Parent: x.Facts.TraceParent, Began: x.started,
		Attrs: []slog.Attr{slog.String("http.request.method", method), slog.String("url.scheme", x.Facts.Scheme), slog.String(tracing.RequestID, x.ID)}})
	x.Context = ctx
	return func() {
		status := cmp.Or(x.status, http.StatusOK)
		ended := tracing.Span{Attrs: []slog.Attr{slog.Int("http.response.status_code", status)}, Failed: status >= 500 || x.broken}
		if _, path, found := strings.Cut(x.Route, " "); found && path[0] == '/' {
			ended.Name, ended.Attrs = method+" "+path, append(ended.Attrs, slog.String("http.route", path))
		}
		if ended.Failed {
			ended.Attrs = append(ended.Attrs, slog.String("error.type", strconv.Itoa(status)))
		}
		end(ended)
	}
}

// check adds the headers of every answer, and returns an error for a request that the site does
// not answer. It answers a request that belongs to the site's HTTPS address.
func (c *chain) check(x *Exchange, r *http.Request) error {
	c.head(x)
	if refusal := c.Site.CheckHost(r, &x.Facts); refusal != nil {
		return c.refuse(x, r, refusal)
	}
	location, refusal := c.Site.CheckScheme(r, &x.Facts)
	if location != "" {
		http.Redirect(x, r, location, http.StatusPermanentRedirect)
		return nil
	}
	if refusal != nil {
		return c.refuse(x, r, refusal)
	}
	byToken, err := c.Token(r)
	if err != nil {
		x.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return err
	}
	// No browser adds a token by itself, and beside it a cookie does not count.
	if !byToken && changes(r) {
		if refusal := c.Site.CheckOrigin(r, &x.Facts); refusal != nil {
			return c.refuse(x, r, refusal)
		}
	}
	return nil
}

// changes reports whether a request may change something, or opens one of tower's doors.
func changes(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r.Header["Upgrade"] != nil || r.Header["Origin"] != nil && strings.HasPrefix(r.URL.Path, "/_tower/")
	}
	return true
}

func (c *chain) refuse(x *Exchange, r *http.Request, refusal *edge.Refusal) error {
	c.refusals.Refused(r, &x.Facts, refusal)
	code := fault.Forbidden
	if refusal.Status == http.StatusMisdirectedRequest {
		code = fault.Misdirected
	}
	return &fault.Error{Code: code, Message: refusal.Error()}
}

// head adds the security headers, and the id of the request, to an answer.
func (c *chain) head(x *Exchange) {
	header := x.w.Header()
	header["X-Request-Id"] = []string{x.ID}
	header["Content-Security-Policy"] = c.policy
	header["X-Content-Type-Options"] = nosniff
	header["X-Frame-Options"] = sameOrigin
	header["Referrer-Policy"] = referrer
	header["Cross-Origin-Opener-Policy"] = opener
	if c.Site.HTTPS() {
		header["Strict-Transport-Security"] = transportSecurity
	}
}

// The values of headers are shared by all answers: to change one, a handler replaces it.
var (
	nosniff           = []string{"nosniff"}
	sameOrigin        = []string{"SAMEORIGIN"}
	referrer          = []string{"same-origin"}
	opener            = []string{"same-origin"}
	transportSecurity = []string{"max-age=31536000"}
)

// withNonce returns a policy with a nonce; "" is none.
func withNonce(policy, nonce string) string {
	if nonce != "" {
		return strings.ReplaceAll(policy, "{nonce}", "'nonce-"+nonce+"'")
	}
	return strings.ReplaceAll(strings.ReplaceAll(policy, " {nonce}", ""), "{nonce}", "")
}

// recovered catches a panic of a handler, below the compression: what that still holds back
// is then dropped.
type recovered struct{ next http.Handler }

func (h recovered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if problem := recover(); problem != nil {
			From(r.Context()).Abort(fault.Panicked(r.Method+" "+r.URL.Path, problem))
		}
	}()
	h.next.ServeHTTP(w, r)
}

// recover answers a request whose handler failed, if its answer has not begun.
func (c *chain) recover(x *Exchange, r *http.Request) {
	if x.failed == nil || x.hijacked {
		return
	}
	x.dropping, x.before = false, nil
	if x.begun || errors.Is(x.failed, http.ErrAbortHandler) {
		x.broken = true
		if fault.As(x.failed).Code == fault.Internal && !errors.Is(x.failed, http.ErrAbortHandler) {
			c.Log.ErrorContext(x, "request, after its answer began", "error", x.failed)
		}
		return
	}
	clear(x.w.Header())
	c.head(x)
	c.Fail(x, r, x.failed)
}

type exchangeKey struct{}

// From returns the exchange that a request's context belongs to, nil if there is none.
func From(ctx context.Context) *Exchange {
	x, _ := ctx.Value(exchangeKey{}).(*Exchange)
	return x
}
