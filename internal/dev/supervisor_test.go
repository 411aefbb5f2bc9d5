package dev

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestSwapLosesNothing(t *testing.T) {
	t.Parallel()
	const swaps, clients = 20, 6
	s := serveFake(t, "version 1")
	s.serves(1)

	var sent sync.Map // acknowledged bodies
	var hammer sync.WaitGroup
	stop := make(chan struct{})
	for client := range clients {
		hammer.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				method, body := "GET", ""
				if client%2 == 0 {
					method, body = "POST", fmt.Sprintf("post %d.%d", client, n)
				}
				status, text, err := s.request(method, "/version", body)
				if _, notNumber := strconv.Atoi(text); err != nil || status != 200 || notNumber != nil {
					t.Errorf("%s %s: %d %q %v", method, body, status, text, err)
					return
				}
				if body != "" {
					sent.Store(body, true)
				}
			}
		})
	}
	hammer.Go(func() { reconnect(t, s, stop) })
	for version := 2; version <= swaps+1; version++ {
		s.write("main.go", fmt.Sprint("version ", version))
		s.serves(version)
	}
	close(stop)
	hammer.Wait()

	if _, text := s.get("/version"); text != fmt.Sprint(swaps+1) {
		t.Errorf("the last version that answers is %s", text)
	}
	received := map[string]int{}
	posts, err := os.ReadFile(filepath.Join(s.folder, "posts"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(posts)) {
		received[strings.TrimSpace(line)]++
	}
	for body, times := range received {
		if times != 1 {
			t.Errorf("%s took effect %d times", body, times)
		}
	}
	sent.Range(func(body, _ any) bool {
		if received[body.(string)] != 1 {
			t.Errorf("%s was answered and has no effect", body)
		}
		return true
	})
	if strings.Contains(s.output.String(), "✗") {
		t.Error("something went wrong")
	}
}

// reconnect keeps a WebSocket open as a browser does: the server closes each with 1012,
// and the next one reaches a newer build.
func reconnect(t *testing.T, s *testSite, stop chan struct{}) {
	last := 0
	for {
		conn, _, err := websocket.DefaultDialer.Dial(strings.Replace(s.URL(), "http", "ws", 1)+"/socket", nil)
		if err != nil {
			t.Errorf("connect: %v", err)
			return
		}
		_, message, err := conn.ReadMessage()
		if err != nil {
			t.Errorf("read: %v", err)
			return
		}
		version, _ := strconv.Atoi(string(message))
		if version <= last {
			t.Errorf("reached build %d after %d", version, last)
		}
		last = version
		closed := make(chan error, 1)
		go func() {
			_, _, err := conn.ReadMessage()
			closed <- err
		}()
		select {
		case err := <-closed:
			conn.Close()
			if !websocket.IsCloseError(err, 1012) {
				t.Errorf("closed with %v", err)
				return
			}
		case <-stop:
			conn.Close()
			<-closed
			return
		}
	}
}

func TestBrokenBuild(t *testing.T) {
	s := serveReady(t, "version 1")
	s.write("main.go", "x := broken\n")
	data := s.event("broken")
	first := data["errors"].([]any)[0].(map[string]any)
	if first["file"] != "main.go" || first["line"] != 1.0 || first["column"] != 4.0 || first["message"] != "undefined: broken" {
		t.Errorf("received %v", first)
	}
	if _, text := s.get("/version"); text != "1" {
		t.Errorf("build %s answers", text)
	}
	s.prints("main.go changed, building … failed\n✗ The build failed\n  main.go:1:4  undefined: broken\n    x := broken\n       ^\n  the previous build keeps running\n")
	s.write("main.go", "version 3")
	s.serves(3)
	if _, text := s.get("/version"); text != "3" {
		t.Errorf("build %s answers", text)
	}
}

func TestBrokenFromTheStart(t *testing.T) {
	t.Parallel()
	s := serveFake(t, "broken")
	s.event("broken")
	status, text := s.get("/")
	if status != 500 || !strings.Contains(text, "main.go:1:4  undefined: broken") || !strings.Contains(text, `src="/_tower/dev.js"`) {
		t.Errorf("a page is answered with %d\n%s", status, text)
	}
	if status, text, err := s.request("POST", "/version", "x"); status != 503 || text != "The application is not running.\n" {
		t.Errorf("a post is answered with %d %q %v", status, text, err)
	}
	s.write("main.go", "version 2")
	s.serves(2)
	if status, text := s.get("/version"); status != 200 || text != "2" {
		t.Errorf("a page is answered with %d %s", status, text)
	}
}

func TestNewBuildDiesBeforeReady(t *testing.T) {
	s := serveReady(t, "version 1")
	_, before := s.get("/pid")
	s.write("main.go", "dies-before-ready")
	data := s.event("broken")
	if data["title"] != "The application does not start" || !strings.Contains(data["text"].(string), "no such partial") {
		t.Errorf("received %v", data)
	}
	if _, after := s.get("/pid"); after != before {
		t.Errorf("process %s answers, not %s", after, before)
	}
}

func TestAssetThatKeepsItFromStarting(t *testing.T) {
	s := serveReady(t, "version 1")
	s.write("views/home.html", "broken")
	s.event("reload")
	s.write("main.go", "version 2")
	s.event("broken")
	s.write("views/home.html", "home 3")
	s.serves(3)
}

func TestNewBuildFailsToOpen(t *testing.T) {
	s := serveReady(t, "version 1")
	s.write("main.go", "fails-to-open")
	data := s.event("broken")
	first := data["errors"].([]any)[0].(map[string]any)
	if first["message"] != "the store is held by another process" {
		t.Errorf("received %v", first)
	}
	if status, text := s.get("/version"); status != 200 || text != "1" {
		t.Errorf("answered with %d %s", status, text)
	}
	s.prints("running again")
	s.write("main.go", "version 3")
	s.serves(3)
}

func TestModelsHaveChanged(t *testing.T) {
	s := serveReady(t, "version 1")
	s.write("main.go", "changes-models")
	s.prints("  migrating: 500 posts\n")
	s.prints("▸ The models have changed\n  posts.title is gone; its values are kept\n  → tower generate migration\n")
	s.serves(2)
	if late := s.events.join(); !strings.Contains(string(<-late), "event: ok") || !strings.Contains(string(<-late), "event: note\ndata: {\"title\":\"The models have changed\"") {
		t.Error("a page that comes later does not receive the note")
	}
	s.write("main.go", "version 3")
	s.serves(3)
	if late := s.events.join(); len(late) != 1 {
		t.Error("the note stays when the next build has none")
	}
}

func TestBuildThatWaitsForItsMigrations(t *testing.T) {
	s := serveReady(t, "version 1")
	_, before := s.get("/pid")
	s.write("main.go", "waits-for-migration")
	first := s.event("broken")["errors"].([]any)[0].(map[string]any)
	if first["message"] != "1 migration is pending" {
		t.Errorf("received %v", first)
	}
	if _, after := s.get("/pid"); after != before {
		t.Errorf("process %s answers, not %s", after, before)
	}
	if status, _, err := s.request("POST", "/migrate", ""); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	s.prints("migrations may run, building …")
	s.serves(3)
}

func TestBuildIsOvertaken(t *testing.T) {
	s := serveReady(t, "version 1")
	s.write("main.go", "slow") // would never end
	s.prints("main.go changed, building …")
	s.write("main.go", "version 3")
	s.serves(3)
}

func TestKilledProcessIsStartedAgain(t *testing.T) {
	s := serveReady(t, "version 1")
	_, before := s.get("/pid")
	pid, _ := strconv.Atoi(before)
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	process.Kill()
	s.prints("it exited: signal: killed")
	status, after := s.get("/pid")
	if status != 200 || after == before {
		t.Errorf("answered with %d by process %s", status, after)
	}
	s.prints("running again")
}

func TestPanicIsReadable(t *testing.T) {
	t.Parallel()
	s := serveFake(t, "panics")
	s.prints("✗ The application stopped\n")
	s.prints("panic: the sky is falling")
	s.write("main.go", "version 2")
	s.serves(2)
	if _, text := s.get("/version"); text != "2" {
		t.Errorf("build %s answers", text)
	}
}

func TestRequestThatEndsTheApplication(t *testing.T) {
	s := serveReady(t, "version 1")
	for method, body := range map[string]string{"GET": "", "POST": "body"} {
		before := strings.Count(s.output.String(), "✗")
		status, text, err := s.request(method, "/die", body)
		if status != 502 || !strings.Contains(text, "exited before it answered") {
			t.Errorf("%s is answered with %d %q %v", method, status, text, err)
		}
		if status, text := s.get("/version"); status != 200 || text != "1" {
			t.Errorf("then, a page is answered with %d %q", status, text)
		}
		// The transport may repeat a GET once on its own.
		deaths := strings.Count(s.output.String(), "✗") - before
		if method == "GET" && deaths > 3 || method == "POST" && deaths != 1 {
			t.Errorf("one %s ended %d processes", method, deaths)
		}
	}
}

func TestChangeOfAssets(t *testing.T) {
	t.Parallel()
	s := serveFake(t, "version 1")
	before := s.event("ok")
	_, pid := s.get("/pid")
	s.write("views/posts/index.html", "posts")
	after := s.event("reload")
	if before["version"] == after["version"] || after["build"] != 1.0 {
		t.Errorf("received %v, then %v", before, after)
	}
	if _, now := s.get("/pid"); now != pid {
		t.Error("another process runs")
	}
}

func TestProduction(t *testing.T) {
	t.Parallel()
	s := serveFakeIn(t, "production", "version 1")
	s.serves(1)
	if _, text := s.get("/"); strings.Contains(text, "dev.js") {
		t.Error("the page is changed")
	}
	if status, _ := s.get("/_tower/dev"); status != 404 {
		t.Errorf("the events are answered with %d", status)
	}
	if status, text := s.get("/die"); status != 502 || strings.Contains(text, "<") {
		t.Errorf("a request that ends the application is answered with %d %s", status, text)
	}
	if status, text := s.get("/version"); status != 200 || text != "1" {
		t.Errorf("then, a page is answered with %d %s", status, text)
	}
}

func TestProductionEndsWhenItCannotStart(t *testing.T) {
	t.Parallel()
	for source, title := range map[string]string{
		"broken": "The build failed", "dies-before-ready": "The application does not start", "fails-to-open": "The application does not start",
	} {
		s := serveFakeIn(t, "production", source)
		var failure *Failure
		if err := s.wait(); !errors.As(err, &failure) || failure.Title != title {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestStop(t *testing.T) {
	s := serveReady(t, "version 1")
	stream, err := http.Get(s.URL() + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	s.stop()
	if err := s.wait(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(stream.Body); string(text) != "data: first\n\n" || err != nil {
		t.Errorf("the stream ended with %q %v", text, err)
	}
	s.leavesOneProgram()
}

func TestCloseKillsAtOnce(t *testing.T) {
	s := serveReady(t, "does-not-stop")
	_, pid := s.get("/pid")
	s.stop()
	began := time.Now()
	s.Close()
	if err := s.wait(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took >= stopTime {
		t.Errorf("it took %v", took)
	}
	if processRuns(pid) {
		t.Errorf("process %s still runs", pid)
	}
	s.leavesOneProgram()
}

func TestProcessThatDoesNotStopIsReplaced(t *testing.T) {
	s := serveReady(t, "does-not-stop")
	_, pid := s.get("/pid")
	s.write("main.go", "version 2")
	s.serves(2)
	if processRuns(pid) {
		t.Errorf("process %s still runs", pid)
	}
}

func TestSecondSupervisorIsRefused(t *testing.T) {
	t.Parallel()
	s := serveFake(t, "version 1")
	var running *RunningError
	err := New(Options{Folder: s.folder}).Open()
	if !errors.As(err, &running) || running.PID != os.Getpid() || running.URL != s.URL() {
		t.Errorf("got %v", err)
	}
	if got := Running(s.folder); got == nil || got.PID != os.Getpid() {
		t.Errorf("Running is %v", got)
	}
	if got := Running(t.TempDir()); got != nil {
		t.Errorf("Running elsewhere is %v", got)
	}
}

func TestTakenPortIsRefused(t *testing.T) {
	t.Parallel()
	for _, taken := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", taken)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		folder := t.TempDir()
		var refused *PortError
		s := New(Options{Folder: folder, Port: portOf(l)})
		err = s.Open()
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), fmt.Sprintf("port %d is in use", portOf(l))) {
			t.Errorf("got %v", err)
		}
		if Running(folder) != nil {
			t.Error("the folder is still locked")
		}
		other := New(Options{Folder: folder})
		if err := other.Open(); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if Running(folder) == nil {
			t.Error("Close of the refused supervisor released the lock of the other")
		}
		other.Close()
	}
}
