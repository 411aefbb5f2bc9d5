package deadline

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 2 * time.Minute

// hasty ends a client that pauses. A busy machine may pause the server for a while, too.
var hasty = Pace{Wait: 2 * time.Second, Rate: 1 << 30}

// dial connects to a server with a handler at a pace, and sends the head of a request.
func dial(t *testing.T, pace Pace, head string, handler http.HandlerFunc) *net.TCPConn {
	t.Helper()
	server := httptest.NewServer(pace.Handler(handler))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, head)
	return conn.(*net.TCPConn)
}

const slowPost = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n12345"

func TestASlowBodyEnds(t *testing.T) {
	t.Parallel()
	for what, handler := range map[string]http.HandlerFunc{
		"that is read": func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			http.Error(w, fmt.Sprint(len(body), errors.Is(err, ErrSlow)), http.StatusRequestTimeout)
		},
		"that is not read": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "5 true", http.StatusRequestTimeout) },
		"that is not read before a large answer": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusRequestTimeout)
			_, _ = io.WriteString(w, "5 true"+strings.Repeat(" ", 1<<20))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, hasty, slowPost, handler)
			answer, err := io.ReadAll(conn) // until the server closes
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408") || !strings.Contains(string(answer), "5 true") {
				t.Errorf("%.300s (%v)", answer, err)
			}
		})
	}
}

func TestASlowReaderEnds(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	conn := dial(t, hasty, "GET / HTTP/1.1\r\nHost: test\r\n\r\n", func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				ended <- err
				return
			}
		}
	})
	_ = conn.SetReadBuffer(4 << 10)
	select {
	case err := <-ended:
		t.Log(err)
	case <-time.After(patience):
		t.Error("the server still writes to a client that does not read")
	}
}

func TestAPipelineOfUnreadAnswersEnds(t *testing.T) {
	t.Parallel()
	served := make(chan struct{}, 1<<20)
	conn := dial(t, hasty, "", func(w http.ResponseWriter, r *http.Request) {
		served <- struct{}{}
		_, _ = w.Write(make([]byte, 2000))
	})
	_ = conn.SetReadBuffer(4 << 10)
	requests := strings.Repeat("GET / HTTP/1.1\r\nHost: test\r\n\r\n", 100)
	for { // the server stops to read, and then closes
		if _, err := io.WriteString(conn, requests); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the server neither reads nor closes")
			}
			t.Logf("after %d answers: %v", len(served), err)
			return
		}
	}
}

// TestAConnectionGoesOnAfterASlowHandler sends two requests over one connection whose
// handler works for longer than a client may pause.
func TestAConnectionGoesOnAfterASlowHandler(t *testing.T) {
	t.Parallel()
	conn := dial(t, hasty, "", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(hasty.Wait * 5 / 4)
		body, err := io.ReadAll(r.Body)
		time.Sleep(hasty.Wait * 5 / 4)
		if r.Context().Err() != nil {
			err = r.Context().Err()
		}
		fmt.Fprint(w, string(body), err)
	})
	answers := bufio.NewReader(conn)
	for range 2 {
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello")
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); string(body) != "hello<nil>" || err != nil {
			t.Errorf("%s (%v)", body, err)
		}
	}
}

// A clock records the deadlines that are set.
type clock struct {
	*httptest.ResponseRecorder
	reads, writes []time.Time
}

func (c *clock) SetReadDeadline(at time.Time) error  { c.reads = append(c.reads, at); return nil }
func (c *clock) SetWriteDeadline(at time.Time) error { c.writes = append(c.writes, at); return nil }

func TestDeadlinesMoveWithProgress(t *testing.T) {
	pace := Pace{Wait: time.Hour, Rate: 1}
	c := &clock{ResponseRecorder: httptest.NewRecorder()}
	start := time.Now()
	request := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 7200)))
	pace.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 7200))
		_, _ = r.Body.Read(make([]byte, 1))
		_, _ = w.Write(make([]byte, 2*part))
	})).ServeHTTP(c, request)
	if n := len(c.reads); n < 2 || c.reads[n-1].Sub(start) < 3*time.Hour-time.Minute {
		t.Errorf("the deadlines of reads: %v, from %v", c.reads, start)
	}
	if n := len(c.writes); n == 0 || c.writes[0].Sub(start) < part*time.Second {
		t.Errorf("the deadlines of writes: %v, from %v", c.writes, start)
	}
}

func TestAHandlerMaySetItsOwnDeadlines(t *testing.T) {
	c := &clock{ResponseRecorder: httptest.NewRecorder()}
	own := time.Now().Add(24 * time.Hour)
	hasty.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := errors.Join(control.SetReadDeadline(own), control.SetWriteDeadline(own)); err != nil {
			t.Error(err)
		}
		_, _ = io.ReadAll(r.Body)
		_, _ = w.Write([]byte("hello"))
	})).ServeHTTP(c, httptest.NewRequest("POST", "/", strings.NewReader("hello")))
	if c.reads[len(c.reads)-1] != own || c.writes[len(c.writes)-1] != own {
		t.Errorf("deadlines: %v %v, not %v", c.reads, c.writes, own)
	}
}
