package hostile

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// patience is how long a test waits for an event that must come. Tests run beside others, on
// machines with few cores, so it is long.
const patience = 2 * time.Minute

// scaled returns small, or large if TOWER_HOSTILE is "large".
func scaled(small, large int) int {
	if os.Getenv("TOWER_HOSTILE") == "large" {
		return large
	}
	return small
}

// An attacker is a client of an application. It is a user, or a visitor, at an address.
type attacker struct {
	t    testing.TB
	app  *towertest.App
	user tower.ID // "": a visitor
	from string   // "127.0.0.2"; "": any address of this machine
	adds []string // names and values of headers of each request, in turn

	cookie *http.Cookie // sent as it is; nil: each request has a new one of the user
	web    *http.Client // that all requests share; nil: each has a connection of its own
}

// in returns the attacker for a part of the test.
func (a attacker) in(t testing.TB) attacker { a.t = t; return a }

// as returns the attacker signed in as a user.
func (a attacker) as(user tower.ID) attacker { a.user, a.cookie = user, nil; return a }

// onDevice returns the attacker signed in as a user on one device, with one cookie.
func (a attacker) onDevice(user tower.ID) attacker {
	a.t.Helper()
	cookie, err := a.app.Cookie(user)
	if err != nil {
		a.t.Fatal(err)
	}
	a.cookie = cookie
	return a
}

// at returns the attacker at an address in 127.0.0.0/8.
func (a attacker) at(from string) attacker { a.from = from; return a }

// with returns the attacker with more headers: names and values in turn.
func (a attacker) with(header ...string) attacker {
	a.adds = append(a.adds[:len(a.adds):len(a.adds)], header...)
	return a
}

// dial connects to the application from the attacker's address. The kernel buffers little, so
// that a client that does not read is noticed soon.
func (a attacker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: patience}
	if a.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(a.from)}
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetReadBuffer(16 << 10)
}

// open opens a TCP connection to the application and sends text, such as the head of a
// request.
func (a attacker) open(text string) *net.TCPConn {
	a.t.Helper()
	target, err := url.Parse(a.app.URL)
	if err != nil {
		a.t.Fatal(err)
	}
	conn, err := a.dial(a.t.Context(), "tcp", target.Host)
	if err == nil {
		_, err = io.WriteString(conn, text)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// client returns an HTTP client that dials from the attacker's address, keeps no connection unless requests
// share them, and follows no redirect.
func (a attacker) client() *http.Client {
	if a.web != nil {
		return a.web
	}
	return &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: a.dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// newRequest returns a request with the attacker's cookie. header holds names and values in
// turn. A body is JSON unless header has another Content-Type.
func (a attacker) newRequest(method, path, body string, header ...string) *http.Request {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.app.URL+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	header = append(a.adds[:len(a.adds):len(a.adds)], header...)
	for i := 0; i < len(header); i += 2 {
		if request.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			request.Host = header[i+1]
		}
	}
	if a.cookie != nil {
		request.AddCookie(a.cookie)
	} else if a.user != "" {
		cookie, err := a.app.Cookie(a.user)
		if err != nil {
			a.t.Fatal(err)
		}
		request.AddCookie(cookie)
	}
	return request
}

// request sends a request as newRequest makes it, and returns the answer with its body read.
func (a attacker) request(method, path, body string, header ...string) (*http.Response, string) {
	a.t.Helper()
	response, err := a.client().Do(a.newRequest(method, path, body, header...))
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return response, string(text)
}
