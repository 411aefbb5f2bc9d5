// Package towertest opens an application on a temporary store, connects clients
// as users, and shows what each of them received.
//
//	app := towertest.Open(t, Config())
//	ada := app.Connect(t, user.ID)
//	posts := ada.Open("posts.all", nil)
//	ada.Call("POST /posts", map[string]any{"title": "Hello"})
//	posts.AwaitLen(1)
//
// Clients connect over WebSockets, or over another of [Transports]: set the
// application's Transport.
//
// What is waited for and does not come fails the test, with what there was
// instead.
package towertest

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server/control"
	"github.com/towerkit/tower/internal/server/transport"
)

// patience is how long anything is waited for.
const patience = 10 * time.Second

// An App is an application that serves on a port of its own. It is a tower.DB.
type App struct {
	*tower.App
	URL string // "http://127.0.0.1:41234"

	// Transport is one of Transports, over which clients connect from now on.
	// Default: Socket.
	Transport string
}

// Open opens the application and closes it when the test ends.
func Open(t testing.TB, config tower.Config) *App {
	t.Helper()
	config.Env = "test"
	config.Data = filepath.Join(t.TempDir(), "test.db")
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	app, end := Serve(t, config)
	t.Cleanup(end)
	return app
}

// Serve opens the application with its own environment, data and log, until end is
// called, once: so it can be served again with what it holds.
func Serve(t testing.TB, config tower.Config) (served *App, end func()) {
	t.Helper()
	app, err := tower.New(config)
	if err != nil {
		t.Fatalf("the application cannot start: %v", err)
	}
	if err := app.Open(); err != nil {
		t.Fatalf("the application cannot start: %v", err)
	}
	web := httptest.NewUnstartedServer(app.Handler())
	web.Config.ConnContext = transport.ConnContext
	web.Start()
	return &App{App: app, URL: web.URL, Transport: Socket}, func() {
		if err := app.Close(); err != nil {
			t.Errorf("close the application: %v", err)
		}
		web.CloseClientConnections()
		web.Close()
	}
}

// OpenControl opens the application's control socket, through which consoles attach
// to it. It is closed with the application.
func (a *App) OpenControl() error {
	return a.App.ServeConsoles(control.Open)
}

// Get loads a page as a visitor, and returns its status and its body.
func (a *App) Get(t testing.TB, path string) (status int, body string) {
	t.Helper()
	return a.GetAs(t, "", path)
}

// GetAs loads a page as a user; "" is a visitor.
func (a *App) GetAs(t testing.TB, user tower.ID, path string) (status int, body string) {
	t.Helper()
	req := a.request(t, user, http.MethodGet, path, nil)
	req.Header.Set("Accept", "text/html")
	return a.do(t, req)
}

// PostForm sends a form as a browser without JavaScript does, as a user, and
// returns the status and the body of the answer; a redirect is not followed, its
// body is the location.
func (a *App) PostForm(t testing.TB, user tower.ID, path, form string) (status int, body string) {
	t.Helper()
	req := a.request(t, user, http.MethodPost, path, strings.NewReader(form))
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return a.do(t, req)
}

func (a *App) request(t testing.TB, user tower.ID, method, path string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		cookie, err := a.Cookie(user)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(cookie)
	}
	return req
}

func (a *App) do(t testing.TB, req *http.Request) (int, string) {
	t.Helper()
	client := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	if location := response.Header.Get("Location"); location != "" {
		return response.StatusCode, location
	}
	return response.StatusCode, string(body)
}
