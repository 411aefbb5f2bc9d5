package systemtest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

const metricsToken = "0123456789abcdef0123456789abcdef"

// probe asks a handler as a program at an address that names a host.
func probe(h http.Handler, path, remote, host string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr, r.Host = remote, host
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHealthIsAnsweredUnderAnyHost(t *testing.T) {
	t.Setenv("TOWER_SECRET", "qF3vX8mZ1cT6rB9yL2wN5kH7dJ4pS0gA")
	t.Setenv("TOWER_METRICS_TOKEN", metricsToken)
	config := sample()
	config.Env, config.Data, config.PublicURL = "production", filepath.Join(t.TempDir(), "test.db"), "https://example.com"
	config.TrustedProxies = []string{"10.9.9.9"}
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	config.Wrap = func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "sign in", http.StatusUnauthorized) })
	}
	app, end := towertest.Serve(t, config)
	h := app.Handler()
	for _, at := range [][2]string{{"192.0.2.1:9", "10.0.0.5:3000"}, {"127.0.0.1:9", "localhost:3000"}, {"192.0.2.1:9", "example.com"}, {"192.0.2.1:9", ""}} {
		if w := probe(h, "/_tower/health", at[0], at[1]); w.Code != 200 || w.Body.String() != "ok\n" {
			t.Errorf("%v: %d %q", at, w.Code, w.Body)
		}
	}
	if w := probe(h, "/", "192.0.2.1:9", "10.0.0.5:3000"); w.Code != 421 {
		t.Errorf("the page of another host: %d", w.Code)
	}
	whole := probe(h, "/_tower/health", "192.0.2.1:9", "10.0.0.5:3000", "Authorization", "Bearer "+metricsToken)
	if !strings.Contains(whole.Body.String(), "live: yes, ready: yes") {
		t.Errorf("with the token: %q", whole.Body)
	}
	end()
	for path, status := range map[string]int{"/_tower/health": 503, "/_tower/health/live": 200} {
		if w := probe(h, path, "192.0.2.1:9", "10.0.0.5:3000"); w.Code != status {
			t.Errorf("%s of a closed application: %d", path, w.Code)
		}
	}
}

func TestHealthSaysWhyToThisMachine(t *testing.T) {
	config := sample()
	config.Start = func(context.Context, *tower.App) error { return errors.New("no connection to the queue") }
	config.Env, config.Data = "test", filepath.Join(t.TempDir(), "test.db")
	config.Log = slog.New(slog.DiscardHandler)
	app, err := tower.New(config)
	if err != nil {
		t.Fatal(err)
	}
	h := app.Handler()
	if w := probe(h, "/_tower/health", "127.0.0.1:9", "localhost"); w.Code != 503 || !strings.Contains(w.Body.String(), "problem: it is starting") {
		t.Errorf("before it is open: %d %q", w.Code, w.Body)
	}
	if err := app.Open(); err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	h = app.Handler()
	for probe(h, "/_tower/health/live", "127.0.0.1:9", "localhost").Code != 503 {
		time.Sleep(time.Millisecond)
	}
	const why = "problem: Config.Start failed: no connection to the queue"
	for what, header := range map[string][]string{
		"here":              nil,
		"another host":      {"Host", "evil.test"},
		"through a proxy":   {"X-Forwarded-For", "192.0.2.1"},
		"from elsewhere":    {"Remote", "192.0.2.1:9"},
		"by its IP address": {"Host", "[::1]:3000"},
	} {
		remote, host := "127.0.0.1:9", "localhost:3000"
		if len(header) > 0 && header[0] == "Host" {
			host = header[1]
		}
		if len(header) > 0 && header[0] == "Remote" {
			remote = header[1]
		}
		w := probe(h, "/_tower/health", remote, host, header...)
		knows := what == "here" || what == "by its IP address"
		if w.Code != 503 || strings.Contains(w.Body.String(), why) != knows {
			t.Errorf("%s: %d %q", what, w.Code, w.Body)
		}
	}
}

// While records are migrated, the state is answered and other requests wait.
func TestHealthWhileRecordsAreMigrated(t *testing.T) {
	data := filepath.Join(t.TempDir(), "test.db")
	config := sample()
	config.Env, config.Data, config.Log = "test", data, slog.New(slog.DiscardHandler)
	app, end := towertest.Serve(t, config)
	if err := Posts.Create(t.Context(), app, &Post{Title: "Old", Published: true}); err != nil {
		t.Fatal(err)
	}
	end()
	begun, proceed := make(chan bool, 1), make(chan bool)
	config = sample()
	config.Env, config.Data, config.Log = "test", data, slog.New(slog.DiscardHandler)
	config.Migrations = []tower.Migration{{ID: "20261201 slow", Steps: []tower.Step{tower.Each("posts", func(r *tower.StoredRecord) error {
		begun <- true
		<-proceed
		return nil
	})}}}
	s := superviseConfig(t, config)
	addr := strings.TrimPrefix(s.hear(), "ready ")
	s.say("open")
	<-begun
	get := func(path string) (int, string) {
		response, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Error(err)
		}
		return response.StatusCode, string(body)
	}
	if status, body := get("/_tower/health"); status != 503 || !strings.Contains(body, "it is starting") {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := get("/_tower/health/live"); status != 200 {
		t.Errorf("it is not live: %d", status)
	}
	answered := make(chan int, 1)
	go func() {
		status, _ := get("/posts")
		answered <- status
	}()
	close(proceed)
	if status := <-answered; status == 0 || status == 503 {
		t.Errorf("a request that waited: %d", status)
	}
	if status, body := get("/_tower/health"); status != 200 {
		t.Errorf("%d %q", status, body)
	}
	for s.hear() != "serving" {
	}
	s.say("stop")
	if err := s.end(); err != nil {
		t.Error(err)
	}
}
