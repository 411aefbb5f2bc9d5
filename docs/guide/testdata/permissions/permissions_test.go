package main

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/password"
	"github.com/towerkit/tower/towertest"

	"blog/controllers"
	"blog/models"
)

// TestSigningIn goes through the door as a browser without JavaScript does.
func TestSigningIn(t *testing.T) {
	app := towertest.Open(t, Config())
	hash, err := password.Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	ada := &models.User{Name: "Ada", Email: "ada@example.com", PasswordHash: hash}
	if err := models.Users.Create(t.Context(), app, ada); err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	send := func(method, path string, form url.Values) (at string, status int) {
		t.Helper()
		header := []string{"Accept", "text/html"}
		if form != nil {
			header = append(header, "Content-Type", "application/x-www-form-urlencoded")
		}
		response, _ := do(t, browser, method, app.URL+path, form.Encode(), header...)
		return response.Request.URL.RequestURI(), response.StatusCode
	}
	at, _ := send("GET", "/drafts?from=mail", nil)
	if at != "/session/new?return=%2Fdrafts%3Ffrom%3Dmail" {
		t.Fatalf("a visitor is led to %s", at)
	}
	to := strings.Replace(at, "/session/new", "/session", 1)
	if _, status := send("POST", to, url.Values{"email": {ada.Email}, "password": {"wrong"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong password answers %d", status)
	}
	if at, status := send("POST", to, url.Values{"email": {ada.Email}, "password": {"correct horse"}}); at != "/drafts?from=mail" || status != 200 {
		t.Errorf("signing in leads to %s (%d)", at, status)
	}
	elsewhere, err := app.Cookie(ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, status := send("POST", "/password", url.Values{"password": {"battery staple"}}); status >= 400 {
		t.Errorf("a new password answers %d", status)
	}
	if _, status := send("GET", "/drafts", nil); status != 200 {
		t.Errorf("this device is signed out: %d", status)
	}
	if response, _ := do(t, http.DefaultClient, "GET", app.URL+"/drafts", "", "Cookie", elsewhere.Name+"="+elsewhere.Value); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("on another device, drafts answer %d", response.StatusCode)
	}
	if at, _ := send("POST", "/session?_method=DELETE", url.Values{}); at != "/session/new" {
		t.Errorf("signing out leads to %s", at)
	}
	if at, _ := send("GET", "/drafts", nil); !strings.HasPrefix(at, "/session/new") {
		t.Errorf("after signing out, drafts are at %s", at)
	}
}

// TestSeeingAsAnotherUser enters and leaves a sandbox as a browser without JavaScript does.
func TestSeeingAsAnotherUser(t *testing.T) {
	config := Config()
	routes := Routes()
	sandboxes := tower.Mount(routes, "sandboxes", controllers.NewSandboxes)
	tower.Action(sandboxes, "POST /sandbox", (*controllers.Sandboxes).Create, tower.RedirectTo("/drafts"))
	tower.Action(sandboxes, "DELETE /sandbox", (*controllers.Sandboxes).Delete, tower.RedirectTo("/drafts"), tower.InSandbox())
	config.Routes = routes
	app := towertest.Open(t, config)
	users := map[string]*models.User{}
	for _, name := range []string{"Ada", "Eve"} {
		users[name] = &models.User{Name: name, Email: name + "@example.com", Admin: name == "Eve"}
		if err := models.Users.Create(t.Context(), app, users[name]); err != nil {
			t.Fatal(err)
		}
		if err := models.Posts.Create(t.Context(), app, &models.Post{AuthorID: users[name].ID, Title: "Draft of " + name}); err != nil {
			t.Fatal(err)
		}
	}
	browserOf := func(user *models.User) *http.Client {
		cookie, err := app.Cookie(user.ID)
		if err != nil {
			t.Fatal(err)
		}
		jar, _ := cookiejar.New(nil)
		at, _ := url.Parse(app.URL)
		jar.SetCookies(at, []*http.Cookie{cookie})
		return &http.Client{Jar: jar}
	}
	send := func(browser *http.Client, method, path string, form url.Values) (status int, body string) {
		t.Helper()
		response, body := do(t, browser, method, app.URL+path, form.Encode(), "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded")
		return response.StatusCode, body
	}
	if status, _ := send(browserOf(users["Ada"]), "POST", "/sandbox", url.Values{"userId": {string(users["Eve"].ID)}}); status != http.StatusForbidden {
		t.Errorf("Ada sees as an administrator: %d", status)
	}
	eve := browserOf(users["Eve"])
	if _, body := send(eve, "POST", "/sandbox", url.Values{"userId": {string(users["Ada"].ID)}}); !strings.Contains(body, "Draft of Ada") {
		t.Errorf("in the sandbox:\n%s", body)
	}
	if status, _ := send(eve, "POST", "/password", url.Values{"password": {"battery staple"}}); status != http.StatusForbidden {
		t.Errorf("a new password in the sandbox: %d", status)
	}
	if _, body := send(eve, "POST", "/sandbox?_method=DELETE", url.Values{}); !strings.Contains(body, "Draft of Eve") {
		t.Errorf("after leaving the sandbox:\n%s", body)
	}
}
