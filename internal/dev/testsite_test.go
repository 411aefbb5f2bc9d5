package dev

import (
	"bytes"
	"context"
	"encoding/json"
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
)

// bound is how long a test waits for an event.
const bound = 2 * time.Minute

// A testSite is a supervised fake application.
type testSite struct {
	*Supervisor
	t      *testing.T
	folder string
	output *buffer
	page   chan []byte // events of an open page
	stop   context.CancelFunc
	ended  chan error
}

// serveFake supervises a fake application until the test ends. source is its main.go,
// which describes its behavior to fakeBuild and runFake.
func serveFake(t *testing.T, source string) *testSite {
	t.Helper()
	return serveFakeIn(t, "development", source)
}

// serveReady is serveFake for a parallel test. It returns when the first build serves.
func serveReady(t *testing.T, source string) *testSite {
	t.Helper()
	t.Parallel()
	s := serveFake(t, source)
	s.serves(1)
	return s
}

func serveFakeIn(t *testing.T, env, source string) *testSite {
	t.Helper()
	return serveNodes(t, env, source, 1)
}

func serveNodes(t *testing.T, env, source string, nodes int) *testSite {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &testSite{t: t, folder: folder, output: &buffer{}, ended: make(chan error, 1)}
	s.write("main.go", source)
	s.write("views/home.html", "home")
	// With the race detector a process sleeps for a second before it exits.
	environ := append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	s.Supervisor = New(Options{Folder: folder, Env: env, Nodes: nodes, Output: s.output, Environ: environ})
	s.compile = fakeBuild(folder)
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	s.page = s.events.join()
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() { s.ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("output:\n%s", s.output)
		}
	})
	return s
}

// write replaces a file atomically: a scan between truncation and write would start an
// extra build.
func (s *testSite) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	temporary := filepath.Join(filepath.Dir(path), ".new") // the watcher ignores hidden files
	if err := os.WriteFile(temporary, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		s.t.Fatal(err)
	}
}

// event waits until a page receives the event, and returns its data.
func (s *testSite) event(name string) map[string]any {
	s.t.Helper()
	timeout := time.After(bound)
	for {
		select {
		case event, ok := <-s.page:
			if !ok {
				s.t.Fatalf("no page received %q: the test reads events too slowly", name)
			}
			head, rest, _ := strings.Cut(string(event), "\n")
			if head != "event: "+name {
				continue
			}
			var data map[string]any
			if err := json.Unmarshal([]byte(strings.TrimPrefix(rest, "data: ")), &data); err != nil {
				s.t.Fatal(err)
			}
			return data
		case <-timeout:
			s.t.Fatalf("no page received %q", name)
		}
	}
}

// serves waits until the given build serves.
func (s *testSite) serves(build int) {
	s.t.Helper()
	for s.event("ok")["build"] != float64(build) {
	}
}

func (s *testSite) get(path string) (int, string) {
	s.t.Helper()
	status, body, err := s.request("GET", path, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return status, body
}

func (s *testSite) request(method, path, body string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Accept", "text/html")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// prints waits until the output contains a text.
func (s *testSite) prints(text string) {
	s.t.Helper()
	if !s.output.waitFor(text, bound) {
		s.t.Fatalf("the output has no %q", text)
	}
}

// A buffer is an output that a test can wait for.
type buffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.written != nil {
		close(b.written)
		b.written = nil
	}
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *buffer) waitFor(text string, bound time.Duration) bool {
	timeout := time.After(bound)
	for {
		b.mu.Lock()
		if strings.Contains(b.text.String(), text) {
			b.mu.Unlock()
			return true
		}
		if b.written == nil {
			b.written = make(chan struct{})
		}
		written := b.written
		b.mu.Unlock()
		select {
		case <-written:
		case <-timeout:
			return false
		}
	}
}

// wait waits until Run returns.
func (s *testSite) wait() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(bound):
		s.t.Fatal("it does not stop")
		return nil
	}
}

func (s *testSite) leavesOneProgram() {
	s.t.Helper()
	keepsOneProgram(s.t, s.folder)
	if conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://")); err == nil {
		conn.Close()
		s.t.Error("it still listens")
	}
}

func processRuns(pid string) bool {
	n, err := strconv.Atoi(pid)
	if err != nil || n <= 0 {
		return false
	}
	return processExists(n)
}
