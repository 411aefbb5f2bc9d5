//go:build linux

// Package https tests how an application is reached from outside: certificates of a real
// authority, and sockets that are handed over.
package https

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/freeport"
	"github.com/towerkit/tower/internal/systemtest/process"
	"github.com/towerkit/tower/internal/systemtest/protocol/notes"
)

const domain = "notes.example.org"

// TestMain lets the test binary be the application.
func TestMain(m *testing.M) {
	if os.Getenv("HTTPS_TEST_APPLICATION") != "" {
		tower.Main(notes.Config())
		return
	}
	os.Exit(m.Run())
}

// An authority is a running pebble, which certifies every name that leads to this machine.
type authority struct {
	directory string
	roots     string // the file of the certificate of its own server
	pool      *x509.CertPool
	http, tls int // the ports on which it looks for an application
	process   *exec.Cmd
}

func startAuthority(t *testing.T) *authority {
	t.Helper()
	servers, err := filepath.Abs("../servers")
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = servers
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	folder := t.TempDir()
	const module = "github.com/letsencrypt/pebble/v2"
	run("build", "-o", folder+"/", module+"/cmd/pebble", module+"/cmd/pebble-challtestsrv")
	certs := filepath.Join(run("list", "-m", "-f", "{{.Dir}}", module), "test", "certs")
	a := &authority{roots: filepath.Join(certs, "pebble.minica.pem"), http: freeport.Find(t), tls: freeport.Find(t)}
	port, management, dns := freeport.Find(t), freeport.Find(t), freeport.Find(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprint("127.0.0.1:", port), "managementListenAddress": fmt.Sprint("127.0.0.1:", management),
		"certificate": filepath.Join(certs, "localhost", "cert.pem"), "privateKey": filepath.Join(certs, "localhost", "key.pem"),
		"httpPort": a.http, "tlsPort": a.tls, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "the default", "validityPeriod": 7776000}}}})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(folder, "config.json")
	if err := os.WriteFile(name, config, 0o600); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprint("127.0.0.1:", dns)
	process.Start(t, exec.Command(filepath.Join(folder, "pebble-challtestsrv"), "-dnsserver", address, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", "", "-defaultIPv6", ""))
	a.process = exec.Command(filepath.Join(folder, "pebble"), "-config", name, "-dnsserver", address)
	a.process.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	process.Start(t, a.process)
	a.directory = fmt.Sprintf("https://localhost:%d/dir", port)
	a.pool = a.issuer(t, fmt.Sprintf("https://localhost:%d/roots/0", management))
	return a
}

// issuer waits until the authority answers, and returns the root of its certificates.
func (a *authority) issuer(t *testing.T, url string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(a.roots)
	if err != nil {
		t.Fatal(err)
	}
	own := x509.NewCertPool()
	own.AppendCertsFromPEM(text)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: own}, DisableKeepAlives: true}}
	var response *http.Response
	process.Until(t, "the authority answers", func() bool {
		response, err = client.Get(url)
		return err == nil
	})
	defer response.Body.Close()
	root, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		t.Fatalf("no certificate: %s", root)
	}
	return pool
}

// An application is a process that serves the notes.
type application struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  chan string
	folder string
}

func start(t *testing.T, folder string, variables ...string) *application {
	t.Helper()
	a := &application{t: t, folder: folder, lines: make(chan string, 1000)}
	a.cmd = exec.Command(os.Args[0])
	a.run(a.cmd, variables)
	return a
}

func (a *application) run(cmd *exec.Cmd, variables []string) {
	a.t.Helper()
	cmd.Env = append(os.Environ(), "HTTPS_TEST_APPLICATION=1", "TOWER_ENV=production", "TOWER_SECRET=x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF", "TOWER_FOLDER="+a.folder)
	cmd.Env = append(cmd.Env, variables...)
	output, err := cmd.StderrPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	process.Start(a.t, cmd)
	go func() {
		defer close(a.lines)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			a.lines <- lines.Text()
		}
	}()
}

// prints waits for a line that contains text.
func (a *application) prints(text string) string {
	a.t.Helper()
	timeout := time.After(time.Minute)
	var seen []string
	for {
		select {
		case line, open := <-a.lines:
			if !open {
				a.t.Fatalf("it ended, and printed\n%s", strings.Join(seen, "\n"))
			}
			if seen = append(seen, line); strings.Contains(line, text) {
				return line
			}
		case <-timeout:
			a.t.Fatalf("it does not print %q but\n%s", text, strings.Join(seen, "\n"))
		}
	}
}

// stop ends the application as an operator does.
func (a *application) stop() {
	a.t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		a.t.Fatal(err)
	}
	for range a.lines {
	}
	if err := a.cmd.Wait(); err != nil {
		a.t.Errorf("the application ended with %v", err)
	}
}

// A browser reaches the domain on a port of this machine.
func (a *authority) browser() *http.Client {
	dialer := &net.Dialer{}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool}, ForceAttemptHTTP2: true}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if port == "80" {
			port = fmt.Sprint(a.http)
		}
		if port == "443" {
			port = fmt.Sprint(a.tls)
		}
		return dialer.DialContext(ctx, network, "127.0.0.1:"+port)
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (a *authority) variables() []string {
	return []string{"TOWER_DOMAIN=" + domain, "TOWER_ACME=" + a.directory, "SSL_CERT_FILE=" + a.roots,
		fmt.Sprint("TOWER_ADDR=127.0.0.1:", a.tls), fmt.Sprint("TOWER_HTTP_ADDR=127.0.0.1:", a.http)}
}

func TestCertificates(t *testing.T) {
	authority := startAuthority(t)
	folder := t.TempDir()
	app := start(t, folder, authority.variables()...)
	app.prints("production on https://" + domain)
	browser := authority.browser()

	first := get(t, browser, "https://"+domain+"/_tower/tower.js")
	if first.StatusCode != http.StatusOK || first.ProtoMajor != 2 || first.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s %s %v", first.Proto, first.Status, first.Header)
	}
	plain := get(t, browser, "http://"+domain+"/notes?x=1")
	if plain.StatusCode != http.StatusMovedPermanently || plain.Header.Get("Location") != "https://"+domain+"/notes?x=1" {
		t.Errorf("over plain HTTP: %s to %s", plain.Status, plain.Header.Get("Location"))
	}
	if other := get(t, browser, "http://other.example.org/"); other.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host: %s", other.Status)
	}
	posted, err := browser.Post("http://"+domain+"/notes", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	posted.Body.Close()
	if posted.StatusCode != http.StatusBadRequest {
		t.Errorf("a body over plain HTTP: %s", posted.Status)
	}
	if _, err := browser.Get("https://other.example.org/"); err == nil {
		t.Error("it has a certificate for another domain")
	}
	socket := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: authority.pool}, NetDialContext: browser.Transport.(*http.Transport).DialContext, Subprotocols: []string{"tower.v1"}}
	conn, response, err := socket.Dial("wss://"+domain+"/_tower/socket", http.Header{"Origin": {"https://" + domain}})
	if err != nil {
		t.Fatalf("the socket: %v, %+v", err, response)
	}
	conn.Close()
	app.stop()

	// The certificate is kept: the authority may be away.
	_ = authority.process.Process.Kill()
	app = start(t, folder, authority.variables()...)
	app.prints("production on")
	again := get(t, authority.browser(), "https://"+domain+"/_tower/tower.js")
	if a, b := first.TLS.PeerCertificates[0], again.TLS.PeerCertificates[0]; !a.Equal(b) {
		t.Error("it obtained another certificate")
	}
	app.stop()
}

func TestAnAuthorityThatIsAway(t *testing.T) {
	away := fmt.Sprintf("https://localhost:%d/dir", freeport.Find(t))
	app := start(t, t.TempDir(), "TOWER_DOMAIN="+domain, "TOWER_ACME="+away, "TOWER_ADDR=127.0.0.1:0", "TOWER_HTTP_ADDR=127.0.0.1:0")
	app.prints("there is no certificate: does the name lead to this machine")
	app.stop() // and does not wait for the authority
}

func TestDomainsThatCannotBe(t *testing.T) {
	for _, name := range []string{"localhost", "192.0.2.1", "bücher.example", "a b.example..", "https://example.com"} {
		app := start(t, t.TempDir(), "TOWER_DOMAIN="+name)
		app.prints("TOWER_DOMAIN")
	}
	app := start(t, t.TempDir(), "TOWER_DOMAIN="+domain, "TOWER_ENV=development")
	app.prints("in production only")
}

// The sockets of systemd stay open while the application is replaced: who comes meanwhile
// waits.
func TestSocketsThatAreHandedOver(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String() + "/_tower/tower.js"
	folder := t.TempDir()
	activate := func() *application {
		app := &application{t: t, folder: folder, lines: make(chan string, 1000)}
		app.cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
		app.cmd.ExtraFiles = []*os.File{file}
		app.run(app.cmd, []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=blog.socket"})
		return app
	}
	app := activate()
	app.prints("production on http://" + listener.Addr().String())
	get(t, http.DefaultClient, url)
	app.stop()
	answered := make(chan *http.Response)
	go func() {
		response, err := http.Get(url)
		if err != nil {
			t.Errorf("while nobody served: %v", err)
		}
		answered <- response
	}()
	app = activate()
	if response := <-answered; response != nil {
		response.Body.Close()
	}
	app.stop()
}

func get(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response
}

// A header has a bound, with the path in it, so that clients cannot make the application hold
// many large ones.
func TestHeadersHaveABound(t *testing.T) {
	app := start(t, t.TempDir(), "TOWER_ADDR=127.0.0.1:0")
	_, url, _ := strings.Cut(app.prints("production on http://"), "production on ")
	url = strings.Fields(url)[0]
	for _, test := range []struct{ bytes, status int }{{30 << 10, 200}, {100 << 10, 431}} {
		long := strings.Repeat("x", test.bytes)
		for where, change := range map[string]func(*http.Request){
			"header": func(r *http.Request) { r.Header.Set("X-Long", long) },
			"path":   func(r *http.Request) { r.URL.RawQuery = long },
		} {
			// A request that is answered early may still be written: it is not changed and sent again.
			request, err := http.NewRequest("GET", url+"/_tower/tower.js", nil)
			if err != nil {
				t.Fatal(err)
			}
			change(request)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != test.status {
				t.Errorf("%d bytes in the %s: %s", test.bytes, where, response.Status)
			}
		}
	}
	app.stop()
}
