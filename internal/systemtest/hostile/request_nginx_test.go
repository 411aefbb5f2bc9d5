package hostile

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/systemtest/freeport"
)

// proxied puts nginx in front of the application, with the Host header that its proxy_pass
// sends by itself, and returns an attacker who goes through it.
func (a attacker) proxied(extra string) attacker {
	a.t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		a.t.Skip("there is no nginx")
	}
	addr := fmt.Sprint("127.0.0.1:", freeport.Find(a.t))
	folder := a.t.TempDir()
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server {
		listen %[2]s;
		location / {
			proxy_pass %[3]s; proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;
			%[4]s
		}
	}
}`, folder, addr, a.app.URL, extra)
	path := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		a.t.Fatal(err)
	}
	command := exec.CommandContext(a.t.Context(), nginx, "-p", folder, "-c", path)
	command.Stderr = a.t.Output()
	if err := command.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("nginx does not answer: %v", err)
		}
		time.Sleep(20 * time.Millisecond) // nginx says nothing when it listens
	}
	front := *a.app
	front.URL = "http://" + addr
	a.app = &front
	return a
}

// TestBehindNginx sends what a browser sends to a plain HTTP site, which has no
// Sec-Fetch-Site, and what it sends to an HTTPS site.
func TestBehindNginx(t *testing.T) {
	const origin = "http://site.test"
	asBrowser := []string{"Host", "site.test", "Origin", origin}

	t.Run("without settings", func(t *testing.T) {
		config, book := logged(inProduction(t, notebook()))
		a := serve(t, config).proxied("")
		response, page := a.request("POST", "/notes", `{"title":"mine"}`, append(asBrowser, "Accept", "text/html")...)
		if response.StatusCode != 403 || !strings.Contains(page, "from another site") || !strings.Contains(page, "TOWER_URL") {
			t.Errorf("a form: %s %s", response.Status, page)
		}
		if _, status, text := a.with(asBrowser...).tryConnect("stream"); status != 403 || !strings.Contains(text, "TOWER_URL") {
			t.Errorf("a stream: %d %s", status, text)
		}
		book.await(t, "request refused", "origin="+origin, "TOWER_URL")
		if response, text := a.request("POST", "/notes", `{"title":"mine"}`, append(asBrowser, "Sec-Fetch-Site", "same-origin")...); response.StatusCode != 201 {
			t.Errorf("a browser that says where it comes from: %s %s", response.Status, text)
		}
	})
	t.Run("with the public URL", func(t *testing.T) {
		config := inProduction(t, notebook())
		config.PublicURL = origin
		a := serve(t, config).proxied("")
		if response, text := a.request("POST", "/notes", `{"title":"mine"}`, asBrowser...); response.StatusCode != 201 {
			t.Errorf("a form: %s %s", response.Status, text)
		}
		if response, _ := a.request("POST", "/notes", `{"title":"mine"}`, "Host", "site.test", "Origin", "https://site.test"); response.StatusCode != 403 {
			t.Errorf("another scheme: %s", response.Status)
		}
		for _, transport := range []string{"socket", "stream", "poll"} {
			p := a.with(asBrowser...).greet(transport)
			p.leave()
		}
	})
	t.Run("with headers of the proxy", func(t *testing.T) {
		config := inProduction(t, notebook())
		config.PublicURL, config.TrustedProxies = "https://site.test", []string{"127.0.0.1"}
		a := serve(t, config).at("127.0.0.5").proxied("proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto https;")
		response, body := a.request("POST", "/request", "", "Host", "site.test", "Content-Type", "application/json", "X-Forwarded-For", "203.0.113.9")
		if !strings.HasPrefix(body, `["127.0.0.5","https","site.test"`) {
			t.Errorf("the request is %s %s", response.Status, body)
		}
		if response, _ := a.request("GET", "/notes", "", "Host", "evil.test"); response.StatusCode != 421 {
			t.Errorf("another host: %s", response.Status)
		}
	})
}
