package systemtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// BenchmarkHandler measures the processor time of a handler's request beside that of the
// same handler of net/http alone, in turns, each over a kept-alive connection of its own.
// floor is the quotient; allocs/request is what ours allocates beyond net/http.
func BenchmarkHandler(b *testing.B) {
	answer := func(w http.ResponseWriter, r *http.Request) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "text/plain")
		_, err = fmt.Fprintf(w, "%d bytes", len(body))
		return err
	}
	config := sample()
	config.Env, config.Data, config.Quiet = "production", b.TempDir()+"/b.db", true
	config.PublicURL = "http://127.0.0.1"
	b.Setenv("TOWER_SECRET", "0123456789abcdefghijklmnopqrstuvwxyz")
	r := routes()
	hooks := tower.Mount(r, "hooks", func(s *Session) *benchHooks { return &benchHooks{s, answer} })
	tower.Handle(hooks, "POST /bench", (*benchHooks).Answer)
	config.Routes = r
	app, end := towertest.Serve(b, config)
	defer end()
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = answer(w, r) }))
	defer bare.Close()

	const requests = 200
	ours, floor := dialHTTP(b, app.URL), dialHTTP(b, bare.URL)
	var oursTook, floorTook time.Duration
	var more int64
	ours.send(b, 2*requests)
	floor.send(b, 2*requests)
	for b.Loop() {
		before, start := allocs(), cpuTime()
		floor.send(b, requests)
		floorTook += cpuTime() - start
		between, start := allocs(), cpuTime()
		ours.send(b, requests)
		oursTook += cpuTime() - start
		more += int64(allocs()-between) - int64(between-before)
	}
	b.ReportMetric(float64(more)/float64(b.N*requests), "allocs/request")
	b.ReportMetric(float64(oursTook.Nanoseconds())/float64(b.N*requests), "cpu-ns/request")
	b.ReportMetric(float64(oursTook)/float64(floorTook), "floor")
}

func allocs() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}

type benchHooks struct {
	*Session
	answer func(http.ResponseWriter, *http.Request) error
}

func (c *benchHooks) Answer(w http.ResponseWriter, r *http.Request) error { return c.answer(w, r) }

// An httpConn is a kept-alive connection that sends the same request, with as little
// processor time as a client can take.
type httpConn struct {
	conn    net.Conn
	request []byte
	answer  []byte
}

func dialHTTP(b *testing.B, url string) *httpConn {
	conn, err := net.Dial("tcp", url[len("http://"):])
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return &httpConn{conn: conn, answer: make([]byte, 4096),
		request: []byte("POST /bench HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")}
}

func (c *httpConn) send(b *testing.B, times int) {
	for range times {
		if _, err := c.conn.Write(c.request); err != nil {
			b.Fatal(err)
		}
		n, err := c.conn.Read(c.answer)
		if err != nil || string(c.answer[9:12]) != "200" || string(c.answer[n-7:n]) != "5 bytes" {
			b.Fatalf("%q, %v", c.answer[:n], err)
		}
	}
}
