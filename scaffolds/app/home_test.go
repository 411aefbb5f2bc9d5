package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/towerkit/tower/towertest"
)

func TestHome(t *testing.T) {
	app := towertest.Open(t, Config())

	status, body := app.Get(t, "/")
	if status != http.StatusOK || !strings.Contains(body, "<h1>") {
		t.Fatalf("GET / answered %d:\n%s", status, body)
	}
}
