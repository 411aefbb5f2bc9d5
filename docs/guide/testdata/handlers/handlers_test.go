package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/towerkit/tower/towertest"

	"blog/models"
)

func TestHandlers(t *testing.T) {
	app := towertest.Open(t, Config())
	ada := &models.User{Name: "Ada", Email: "ada@example.com"}
	if err := models.Users.Create(t.Context(), app, ada); err != nil {
		t.Fatal(err)
	}
	body := `{"title":"Paid"}`
	mac := hmac.New(sha256.New, []byte("whsec"))
	mac.Write([]byte(body))
	signature := hex.EncodeToString(mac.Sum(nil))
	if response, text := do(t, staying, "POST", app.URL+"/stripe", body, "Signature", signature); response.StatusCode != 200 {
		t.Errorf("webhook: %d %s", response.StatusCode, text)
	}
	if response, _ := do(t, staying, "POST", app.URL+"/stripe", body+" ", "Signature", signature); response.StatusCode != 403 {
		t.Errorf("a forged webhook: %d", response.StatusCode)
	}
	if response, text := do(t, staying, "GET", app.URL+"/feed.xml", ""); response.Header.Get("Content-Type") != "application/rss+xml" || !strings.Contains(text, "<title>Paid</title>") {
		t.Errorf("feed: %v %s", response.Header, text)
	}
	response, text := do(t, staying, "GET", app.URL+"/callback?state=s&code=right", "", "Cookie", "state=s")
	if response.StatusCode != 303 || len(response.Cookies()) == 0 {
		t.Fatalf("callback: %d %s", response.StatusCode, text)
	}
	cookie := response.Cookies()[0]
	if response, _ := do(t, staying, "GET", app.URL+"/files/", "", "Cookie", cookie.Name+"="+cookie.Value); response.StatusCode != 404 {
		t.Errorf("files as ada: %d", response.StatusCode)
	}
	if response, _ := do(t, staying, "GET", app.URL+"/files/", ""); response.StatusCode != 403 {
		t.Errorf("files as a visitor: %d", response.StatusCode)
	}
	if response, _ := do(t, staying, "GET", app.URL+"/callback?state=other&code=right", "", "Cookie", "state=s"); response.StatusCode != 403 {
		t.Errorf("a callback that was not begun: %d", response.StatusCode)
	}
	if response, _ := do(t, staying, "GET", app.URL+"/feed.xml", "", "Origin", "https://reader.example"); response.Header.Get("Access-Control-Allow-Origin") != "https://reader.example" {
		t.Errorf("the middleware: %v", response.Header)
	}
	if response, text := do(t, staying, "GET", app.URL+"/debug/pprof/", ""); response.StatusCode != 200 || !strings.Contains(text, "goroutine") {
		t.Errorf("the mounted handler: %d", response.StatusCode)
	}
}
