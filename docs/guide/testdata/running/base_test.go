package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"

	"blog/models"
)

func TestTheWorker(t *testing.T) {
	app := towertest.Open(t, tower.Config{Models: models.All(), Routes: Routes(), Files: files, Start: follow})
	published := app.Connect(t, "").Open("posts.published", nil)
	Incoming <- "From the queue"
	published.AwaitLen(1)
	Incoming <- strings.Repeat("too long", 100)
	Incoming <- "After the bad one"
	published.AwaitLen(2)
}

func TestMainOfItsOwn(t *testing.T) {
	address := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000)) // no outgoing connection has such a port
	t.Setenv("TOWER_ENV", "test")
	t.Setenv("TOWER_FOLDER", t.TempDir())
	t.Setenv("TOWER_ADDR", address)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	for {
		response, err := http.Get("http://" + address + "/app.css")
		if err == nil {
			response.Body.Close()
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
