package tower

import (
	"context"
	"net/url"

	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/server/requestid"
)

// RequestID returns the id of the request, of the call over a connection, or of the request
// of a console that ctx belongs to: "8d2f6a0c41b7e935". Lines that are logged with such a
// context, through [App.Log] or slog, have it as request, and so have the access log, the
// header X-Request-Id of the answer, and internal errors. It is "" elsewhere.
func RequestID(ctx context.Context) string { return requestid.Of(ctx) }

// A RequestInfo is what is known of the request with which a client connected: the
// request of a page, an action or a handler itself, or the one that opened the socket, the
// event stream or the polls of a connection. It does not change while the client is
// connected. It is empty on connections without a request: those of consoles and of
// tests.
type RequestInfo struct{ kept edge.Request }

// Request returns what is known of the request with which the client connected.
func (c *Connection) Request() RequestInfo {
	if kept := c.conn.Request(); kept != nil {
		return RequestInfo{*kept}
	}
	return RequestInfo{}
}

// Remote returns the client's address, without a port: "192.0.2.1". Behind proxies that
// [Config] trusts, it is the address that they forward for.
func (r RequestInfo) Remote() string { return r.kept.Remote }

// Scheme returns "http" or "https", as the client used it.
func (r RequestInfo) Scheme() string { return r.kept.Scheme }

// Host returns the host as the client used it, in lower case and with a port that is not
// the scheme's own: "example.com", "localhost:3000".
func (r RequestInfo) Host() string { return r.kept.Host }

// Path returns the path of the request.
func (r RequestInfo) Path() string { return r.kept.Path }

// Query returns the values in the query of the request, without malformed ones.
func (r RequestInfo) Query() url.Values { return r.kept.Values() }

// UserAgent returns what the client says about itself.
func (r RequestInfo) UserAgent() string { return r.kept.UserAgent }

// Languages returns the languages that the client prefers, the best first: "de-CH", "de".
func (r RequestInfo) Languages() []string { return r.kept.Languages() }

// Header returns the first value of a header that Config.KeepHeaders names, "" if the
// client sent none.
func (r RequestInfo) Header(name string) string { return r.kept.Header(name) }

// Cookie returns the value of a cookie of the application, and whether the client sent
// one. Anybody can write what they like into a cookie.
func (r RequestInfo) Cookie(name string) (value string, found bool) { return r.kept.Cookie(name) }
