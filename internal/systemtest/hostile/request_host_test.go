package hostile

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// An entrance is a request that an application answers, by whichever path.
type entrance struct{ method, path, body, status string }

// entrances are all ways in. The status is the one of a request that is allowed.
var entrances = []entrance{
	{"GET", "/notes", "", "200"},
	{"POST", "/notes", `{"title":"mine"}`, "201"},
	{"PATCH", "/notes/nobody", `{"title":"mine"}`, "404"},
	{"DELETE", "/notes/nobody", "", "404"},
	{"GET", "/large.txt", "", "200"},
	{"GET", "/nothing", "", "404"},
	{"GET", "/_tower/socket", "", "101"},
	{"POST", "/_tower/stream", "", "200"},
	{"POST", "/_tower/poll", `{}`, "200"},
	{"POST", "/_tower/send", `{"link":"x","number":1,"frames":[]}`, "404"},
	{"GET", "/_tower/session", "", "200"},
	{"POST", "/_tower/session", "ticket", "403"},
	{"GET", "/_tower/tower.js", "", "200"},
	{"GET", "/_tower/worker.js", "", "200"},
	{"GET", "/_tower/offline.js", "", "200"},
	{"GET", "/_tower/app/none.js", "", "404"},
}

// try sends the request of an entrance with headers, and returns the status and the start of the
// answer.
func (d entrance) try(a attacker, header ...string) (status, text string) {
	a.t.Helper()
	if d.path == "/_tower/socket" {
		header = append([]string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, header...)
	}
	response, err := a.client().Do(a.newRequest(d.method, d.path, d.body, header...))
	if err != nil {
		a.t.Fatalf("%s %s: %v", d.method, d.path, err)
	}
	defer response.Body.Close()
	if response.StatusCode == 101 || d.path == "/_tower/stream" && response.StatusCode == 200 {
		return fmt.Sprint(response.StatusCode), ""
	}
	start, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		a.t.Fatalf("%s %s: %v", d.method, d.path, err)
	}
	return fmt.Sprint(response.StatusCode), string(start)
}

func (d entrance) String() string { return d.method + " " + d.path }

// A logBook keeps what an application logs.
type logBook struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{} // closed and replaced with each line
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.written)
	l.written = make(chan struct{})
	return l.text.Write(p)
}

// await waits for a line that contains all parts.
func (l *logBook) await(t *testing.T, parts ...string) {
	t.Helper()
	expired := time.After(patience)
	for {
		l.mu.Lock()
		written := l.written
		l.mu.Unlock()
		lines := l.lines(parts[0])
		for _, part := range parts[1:] {
			lines = slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, part) })
		}
		if len(lines) > 0 {
			return
		}
		select {
		case <-written:
		case <-expired:
			t.Fatalf("no line of the log has %q:\n%s", parts, strings.Join(l.lines(""), "\n"))
		}
	}
}

// lines returns the lines that contain a text.
func (l *logBook) lines(part string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range strings.Split(l.text.String(), "\n") {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}

// logged returns a configuration whose log is kept.
func logged(config tower.Config) (tower.Config, *logBook) {
	book := &logBook{written: make(chan struct{})}
	config.Log = slog.New(slog.NewTextHandler(book, nil))
	return config, book
}

// serve opens an application in the environment and with the log of its configuration.
func serve(t *testing.T, config tower.Config) attacker {
	t.Helper()
	config.Data = filepath.Join(t.TempDir(), "test.db")
	app, end := towertest.Serve(t, config)
	t.Cleanup(end)
	return attacker{t: t, app: app}
}

// inProduction returns the configuration in production.
func inProduction(t *testing.T, config tower.Config) tower.Config {
	t.Setenv("TOWER_SECRET", "a-secret-of-the-tests-long-enough-for-all")
	config.Env = "production"
	return config
}

func TestOtherHostsAreRefusedOnEveryPath(t *testing.T) {
	development := notebook()
	development.Env, development.Hosts = "development", []string{"box.lan"}
	production := notebook()
	production.PublicURL, production.Hosts = "https://example.com", []string{"*.example.org"}
	for name, site := range map[string]struct {
		config          tower.Config
		served, refused []string
	}{
		"development": {development, []string{"localhost:3000", "blog.localhost", "127.0.0.1", "[::1]:3000", "box.lan"},
			[]string{"evil.test", "evil.test:3000", "localhost.evil.test", "x@localhost", "evil.test.", "example.com"}},
		"production": {inProduction(t, production), []string{"example.com", "www.example.org", "127.0.0.1:3000"},
			[]string{"evil.test", "example.com.evil.test", "example.org", "192.0.2.1", "evilexample.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, site.config)
			for _, d := range entrances {
				for _, host := range site.served {
					if status, text := d.try(a, "Host", host); status != d.status {
						t.Errorf("%s as %s: %s %s", d, host, status, text)
					}
				}
				for _, host := range site.refused {
					status, text := d.try(a, "Host", host, "X-Forwarded-Host", "localhost", "Forwarded", "host=example.com", "Origin", "http://"+host)
					if status != "421" && status != "400" { // net/http refuses what can be no host
						t.Errorf("%s as %s: %s %s", d, host, status, text)
					}
				}
			}
			_, page := a.request("GET", "/notes", "", "Host", "evil.test", "Accept", "text/html")
			if !strings.Contains(page, "is not served as") || !strings.Contains(page, "TOWER_HOSTS=evil.test") {
				t.Errorf("the page does not say what to set: %s", page)
			}
		})
	}
}

func TestOtherOriginsAreRefusedOnEveryPath(t *testing.T) {
	config, book := logged(notebook())
	config.Env = "test"
	a := serve(t, config)
	host := strings.TrimPrefix(a.app.URL, "http://")
	foreign := []string{"https://" + host, "http://evil.test", "http://user:pass@" + host, "http://" + host + "/x", "http://localhost:1", "null", "http://" + host + ", http://evil.test", "//" + host}
	for _, d := range entrances {
		for _, header := range [][]string{{}, {"Origin", "http://" + host}, {"Origin", "http://" + strings.ToUpper(host)}, {"Sec-Fetch-Site", "same-origin"}} {
			if status, text := d.try(a, header...); status != d.status {
				t.Errorf("%s with %q: %s %s", d, header, status, text)
			}
		}
		guarded := d.method != "GET" || strings.HasPrefix(d.path, "/_tower/")
		for _, origin := range foreign {
			if status, text := d.try(a, "Origin", origin); guarded != (status == "403") && d.status != "403" {
				t.Errorf("%s from %s: %s %s", d, origin, status, text)
			}
		}
		if status, _ := d.try(a, "Sec-Fetch-Site", "cross-site"); d.method != "GET" && status != "403" {
			t.Errorf("%s across sites: %s", d, status)
		}
	}
	lines := book.lines("request refused")
	if len(lines) == 0 || len(lines) > 40 || !strings.Contains(lines[0], "origin=https://"+host) || !strings.Contains(lines[0], "host="+host) || !strings.Contains(lines[0], "TOWER_URL") {
		t.Errorf("%d lines, the first %q", len(lines), lines[:min(len(lines), 1)])
	}

	request := a.newRequest("GET", "/_tower/socket", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	request.Header["Origin"] = []string{a.app.URL, "http://evil.test"}
	response, err := a.client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a socket with two origins: %s", response.Status)
	}
}

func TestFactsComeFromTrustedProxiesOnly(t *testing.T) {
	config := inProduction(t, notebook())
	config.PublicURL, config.TrustedProxies = "https://example.com", []string{"127.0.0.2"}
	a := serve(t, config)
	ada := a.makeUser("ada")
	forwarded := []string{"Host", "example.com", "X-Forwarded-Proto", "https", "X-Forwarded-For", "203.0.113.7", "Origin", "https://example.com"}
	in := `{"user":"` + string(ada.ID) + `"}`

	response, body := a.at("127.0.0.2").request("POST", "/session", in, forwarded...)
	if cookies := response.Cookies(); response.StatusCode != 200 || len(cookies) != 1 || !cookies[0].Secure {
		t.Errorf("over HTTPS by a trusted proxy: %s %s %+v", response.Status, body, cookies)
	}
	who := func(a attacker, cookie string) string {
		_, body := a.request("GET", "/_tower/session", "", append(forwarded, "Cookie", cookie)...)
		return body
	}
	cookies := response.Cookies()
	if value := cookies[0].Value; cookies[0].Name != "__Host-tower" || !strings.Contains(who(a.at("127.0.0.2"), "__Host-tower="+value), string(ada.ID)) {
		t.Errorf("the cookie for HTTPS is %+v", cookies[0])
	} else if strings.Contains(who(a.at("127.0.0.2"), "tower="+value), string(ada.ID)) {
		t.Error("a cookie that another host can set counts over HTTPS")
	}
	if got := response.Header.Get("Strict-Transport-Security"); got == "" {
		t.Error("there is no Strict-Transport-Security")
	}
	plain := append([]string{"X-Forwarded-Proto", "http"}, "Host", "example.com", "X-Forwarded-For", "203.0.113.7")
	if response, _ = a.at("127.0.0.2").request("GET", "/notes?page=2", "", plain...); response.StatusCode != 308 || response.Header.Get("Location") != "https://example.com/notes?page=2" {
		t.Errorf("over HTTP by a trusted proxy: %s to %s", response.Status, response.Header.Get("Location"))
	}
	if response, _ = a.at("127.0.0.2").request("POST", "/session", in, plain...); response.StatusCode != 403 || len(response.Cookies()) > 0 {
		t.Errorf("a secret in plain text: %s", response.Status)
	}
	for from, want := range map[string]string{"127.0.0.2": "203.0.113.7", "127.0.0.3": "127.0.0.3"} {
		response, body := a.at(from).request("POST", "/request", "", append(forwarded, "Content-Type", "application/json")...)
		if !strings.HasPrefix(body, `["`+want+`","https","example.com"`) {
			t.Errorf("from %s: %s %s", from, response.Status, body)
		}
	}
}
