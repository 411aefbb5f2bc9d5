package nodes

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/systemtest/freeport"
)

// TestHealthWhileTheReplicaIsBuilt asks a node that starts. It is live, and not ready yet.
// Other requests wait for it.
func TestHealthWhileTheReplicaIsBuilt(t *testing.T) {
	log := storetest.NewLog()
	log.Keep = 1
	begun, proceed := make(chan bool, 1), make(chan bool)
	var building atomic.Bool
	log.Fail = func(p storetest.Point) error {
		if building.Load() && p == storetest.BeforeSnapshot {
			begun <- true
			<-proceed
		}
		return nil
	}
	first := join(t, log, 0, patient)
	for range 3 {
		first.write(t, "before")
	}
	building.Store(true)
	addr := fmt.Sprint("127.0.0.1:", freeport.Find(t))
	t.Setenv("TOWER_ADDR", addr)
	t.Setenv("TOWER_CONSOLE", "off")
	t.Setenv("TOWER_FOLDER", t.TempDir())
	c := config()
	c.Env, c.Data, c.Log = "test", filepath.Join(t.TempDir(), "replica.db"), slog.New(slog.NewTextHandler(t.Output(), nil))
	app, err := tower.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server.ShareLog(server.AppOf(app), log.Node())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
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
	await(t, "a node that listens", func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	if status, body := get("/_tower/health"); status != 503 || !strings.Contains(body, "it is starting: building the replica of the shared log") {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := get("/_tower/health/live"); status != 200 {
		t.Errorf("it is not live: %d", status)
	}
	answered := make(chan string, 1)
	go func() {
		_, body := get("/raw")
		answered <- body
	}()
	close(proceed)
	if body := <-answered; body != "3\n" {
		t.Errorf("a request that waited: %q", body)
	}
	if status, body := get("/_tower/health"); status != 200 {
		t.Errorf("%d %q", status, body)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
