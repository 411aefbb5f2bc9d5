package edge

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// A Refusal is why a site does not answer a request.
type Refusal struct {
	Status int    // 403 or 421
	Reason string // for the client
	Hint   string // what to set, for who runs the site

	origin, host string
}

// Error returns the reason and the hint.
func (r *Refusal) Error() string { return r.Reason + ". " + r.Hint }

// CheckHost returns a refusal of a request for a host that the site does not serve, nil if
// it serves the host.
func (s *Site) CheckHost(r *http.Request, f *Facts) *Refusal {
	if s.serves(f) {
		return nil
	}
	host := r.Host
	if f.Host != "" {
		host = f.Host
	}
	refusal := s.refuse(r, http.StatusMisdirectedRequest, fmt.Sprintf("this site is not served as %q", shorten(host)))
	name, _, ok := splitHost(host)
	switch {
	case !ok:
		refusal.Hint = "The request needs a valid Host header."
	case s.production:
		refusal.Hint = fmt.Sprintf("To serve it, set TOWER_URL=https://%s, or TOWER_HOSTS=%s for a further name. A proxy in front must pass the Host header on.", name, name)
	default:
		refusal.Hint = fmt.Sprintf("In development it is served as localhost and by IP address. To serve it as %s as well, set TOWER_HOSTS=%s.", name, name)
	}
	return refusal
}

// CheckOrigin returns a refusal of a request that a page of another origin sent, nil if
// none did. Programs send no Origin. Browsers send Sec-Fetch-Site where they can, and no
// page can change it, so it also counts where a proxy has changed the host or the scheme.
func (s *Site) CheckOrigin(r *http.Request, f *Facts) *Refusal {
	sites, origins := r.Header["Sec-Fetch-Site"], r.Header["Origin"]
	same := len(sites) <= 1 && len(origins) <= 1
	switch {
	case !same:
	case len(sites) == 1:
		same = sites[0] == "same-origin" || sites[0] == "none"
	case len(origins) == 1:
		same = sameOrigin(origins[0], f)
	}
	if same {
		return nil
	}
	refusal := s.refuse(r, http.StatusForbidden, "this request comes from another site")
	refusal.Hint = fmt.Sprintf("The site is %s for tower. If that is not its address, set TOWER_URL to the one in the browser", shorten(f.Origin()))
	if f.via {
		refusal.Hint += fmt.Sprintf(", and TOWER_TRUSTED_PROXIES=%s to believe the proxy in front", f.peer)
	}
	refusal.Hint += "."
	return refusal
}

// sameOrigin reports whether the header Origin is exactly the origin of a request.
func sameOrigin(origin string, f *Facts) bool {
	from, err := url.Parse(origin)
	if err != nil || f.Host == "" {
		return false
	}
	name, port, ok := splitHost(from.Host)
	scheme := strings.ToLower(from.Scheme)
	return ok && strings.EqualFold(origin, scheme+"://"+from.Host) && scheme == f.Scheme && joinHost(scheme, name, port) == f.Host
}

// CheckScheme returns where to send a request that is known not to use HTTPS, "" if it may
// stay. A request that carries a body is refused: it was sent in plain text already.
func (s *Site) CheckScheme(r *http.Request, f *Facts) (location string, _ *Refusal) {
	switch {
	case !f.plain:
		return "", nil
	case r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" || r.Method == http.MethodHead:
		target := *r.URL
		target.Scheme, target.Host, target.User = s.public.Scheme, s.public.Host, nil
		return target.String(), nil
	}
	refusal := s.refuse(r, http.StatusForbidden, "this site is served over HTTPS only")
	refusal.Hint = "Send the request to " + s.public.String() + "."
	return "", refusal
}

func (s *Site) refuse(r *http.Request, status int, reason string) *Refusal {
	return &Refusal{Status: status, Reason: reason, origin: shorten(strings.Join(r.Header["Origin"], ", ")), host: shorten(r.Host)}
}

func shorten(text string) string {
	const most = 200
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// A Log writes lines about refused requests: a few at once and then one in ten seconds, so
// that clients cannot fill the log. It is safe for concurrent use.
type Log struct {
	log     *slog.Logger
	limiter *rate.Limiter
	omitted atomic.Int64
}

// NewLog returns a log that writes to log.
func NewLog(log *slog.Logger) *Log {
	return &Log{log: log, limiter: rate.NewLimiter(rate.Every(10*time.Second), 5)}
}

// Refused writes a line about a refusal, or counts it for a later line.
func (l *Log) Refused(r *http.Request, f *Facts, refusal *Refusal) {
	if !l.limiter.Allow() {
		l.omitted.Add(1)
		return
	}
	attrs := []any{"reason", refusal.Reason, "origin", refusal.origin, "host", refusal.host, "method", r.Method, "path", shorten(r.URL.Path), "remote", f.Remote, "hint", refusal.Hint}
	if n := l.omitted.Swap(0); n > 0 {
		attrs = append(attrs, "omitted", n)
	}
	l.log.Warn("request refused", attrs...)
}
