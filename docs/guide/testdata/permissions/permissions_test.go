package main

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/towerkit/tower/password"
	"github.com/towerkit/tower/towertest"

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
