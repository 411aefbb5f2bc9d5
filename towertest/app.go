// Package towertest opens an application on a temporary store, connects clients as users,
// and shows what each of them received.
//
//	app := towertest.Open(t, Config())
//	ada := app.Connect(t, user.ID)
//	posts := ada.Open("posts.all", nil)
//	ada.Call("POST /posts", map[string]any{"title": "Hello"})
//	posts.AwaitLen(1)
//
// Clients connect over WebSockets, or over another of the [Transports]: set the
// application's Transport. [App.Session] tests a controller without a client, and
// [Converge] an application against random changes.
//
// A method whose name begins with Await waits up to a minute, and then fails the test
// with what the client has instead. Open and Narrow fail the test if the server refuses;
// TryOpen and TryNarrow return its answer.
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
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/control"
	"github.com/towerkit/tower/internal/server/transport"
)

// patience is how long a test waits for anything.
const patience = time.Minute

// An App is an application that listens on a port of its own. It is a [tower.DB].
type App struct {
	*tower.App
	URL string // "http://127.0.0.1:41234"

	// Transport is how clients connect from now on: see [Transports]. Default: Socket.
	Transport string

	clock *clock
	seen  *seen // mail
}

// Open opens the application in the environment "test", on a temporary store and with the
// test's log. It closes the application when the test ends.
func Open(t testing.TB, config tower.Config) *App {
	t.Helper()
	config.Env = "test"
	config.Data = filepath.Join(t.TempDir(), "test.db")
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	c := &clock{}
	app, end := serve(t, config, server.Pace{Now: c.now})
	app.clock = c
	t.Cleanup(end)
	return app
}

// Serve opens the application with the environment, data and log of its configuration,
// until end is called. Call end once. After that, Serve can open the same data again.
func Serve(t testing.TB, config tower.Config) (served *App, end func()) {
	t.Helper()
	return serve(t, config, server.Pace{})
}

func serve(t testing.TB, config tower.Config, pace server.Pace) (served *App, end func()) {
	t.Helper()
	app, err := tower.New(config)
	if err != nil {
		t.Fatalf("the application cannot start: %v", err)
	}
	server.SetPace(server.AppOf(app), pace)
	if err := app.Open(); err != nil {
		t.Fatalf("the application cannot start: %v", err)
	}
	web := httptest.NewUnstartedServer(app.Handler())
	web.Config.ConnContext = transport.ConnContext
	web.Start()
	return &App{App: app, URL: web.URL, Transport: Socket, seen: &seen{ids: map[tower.ID]bool{}}}, func() {
		if err := app.Close(); err != nil {
			t.Errorf("close the application: %v", err)
		}
		web.CloseClientConnections()
		web.Close()
	}
}

// OpenControl opens the application's control socket, which consoles attach to. It is
// closed with the application.
func (a *App) OpenControl() error {
	return server.AppOf(a.App).ServeConsoles(control.Open)
}

// Session returns what the router's connect function returns for a client that
// connects now as the user, "" for a visitor. A controller made from it can be tested
// without a client:
//
//	posts := controllers.NewPosts(app.Session(t, ada.ID).(*controllers.Session))
//	scope, err := posts.Mine(t.Context(), struct{}{})
//
// A client's session changes when something that connect followed changes. This one
// does not: call Session again. In a method that is called with the test's context,
// Follow only reads, and SignIn does nothing. Session fails the test if connect
// returns an error.
func (a *App) Session(t testing.TB, user tower.ID) any {
	t.Helper()
	session, err := server.SessionFor(t.Context(), server.AppOf(a.App), user)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// Get loads a page as a visitor, and returns the status and the body of the answer.
func (a *App) Get(t testing.TB, path string) (status int, body string) {
	t.Helper()
	return a.GetAs(t, "", path)
}

// GetAs is [App.Get] as a user; "" is a visitor.
func (a *App) GetAs(t testing.TB, user tower.ID, path string) (status int, body string) {
	t.Helper()
	req := a.request(t, user, http.MethodGet, path, nil)
	req.Header.Set("Accept", "text/html")
	return a.do(t, req)
}

// PostForm sends a form as a user, as a browser without JavaScript does, and returns the
// status and the body of the answer. It does not follow a redirect; the body is then its
// location.
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
