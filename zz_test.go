package tower_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/olahol/melody"
)

func cpuSelf() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func cpuOf(pid int) time.Duration {
	t, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(t))
	var a, b int64
	fmt.Sscan(f[13], &a)
	fmt.Sscan(f[14], &b)
	return time.Duration(a+b) * 10 * time.Millisecond
}

func BenchmarkZZ(b *testing.B) {
	n := benchClients(b)
	path := filepath.Join(b.TempDir(), "notes.db")
	since := missNotes(b, path, n, 1000)
	for _, mode := range []string{"floor", "hello", "small", "big", "notes", "ruled"} {
		b.Run(mode, func(b *testing.B) {
			m := melody.New()
			m.Config.MaxMessageSize = 65536
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = m.HandleRequest(w, r) }))
			defer server.Close()
			hello := []byte(`{"hello":1,"epoch":"01J8","actions":["POST /notes"],"cursors":["notes.on"]}`)
			reply := []byte(`[{"id":1,"status":200},{"id":2,"status":200}]`)
			if mode == "big" {
				reply = []byte(`[{"id":1,"status":200,"x":"` + strings.Repeat("x", 5700) + `"},{"id":2,"status":200}]`)
			}
			m.HandleMessage(func(s *melody.Session, msg []byte) {
				if msg[0] == '[' {
					s.Write(reply)
				} else {
					s.Write(hello)
				}
			})
			say := []string{`{"hello":1}`, fmt.Sprintf(`[{"id":1,"open":"%s.newest","since":%q},{"id":2,"open":"%s.on","in":{"topic":"topic%%d"},"since":%q}]`, mode, since, mode, since)}
			switch mode {
			case "hello":
				say = say[:1]
			case "floor":
				say = nil
			}
			back := startSwarm(b, orders{Clients: n, Come: true, Say: say})
			var server1, client, wall time.Duration
			for b.Loop() {
				url := server.URL
				var end func()
				if mode == "notes" || mode == "ruled" {
					app, e := serveNotes(b, path)
					end = e
					url = app.URL + "/_tower/socket"
				}
				runtime.GC()
				runtime.GC()
				s, c := cpuSelf(), cpuOf(back.pid)
				wall += back.come(url)
				server1 += cpuSelf() - s
				client += cpuOf(back.pid) - c
				if end != nil {
					end()
				} else {
					for m.Len() > 0 {
						time.Sleep(time.Millisecond)
					}
				}
			}
			per := float64(b.N*n) * 1000
			b.ReportMetric(float64(wall)/per, "wall_us")
			b.ReportMetric(float64(server1)/per, "server_us")
			b.ReportMetric(float64(client)/per, "client_us")
			b.ReportMetric(0, "ns/op")
		})
	}
}
