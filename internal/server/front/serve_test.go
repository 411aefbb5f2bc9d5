package front

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
)

// serving returns a front that serves a handler, and a connection to it that has been accepted
// and has sent nothing.
func serving(t *testing.T, handler http.HandlerFunc) (*Front, net.Conn) {
	t.Helper()
	f, err := Open(Options{Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- f.Serve(&http.Server{Handler: handler}) }()
	t.Cleanup(func() {
		_ = f.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	conn, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return f, conn
}

func ask(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

func TestARequestThatComesWhileTheFrontStopsIsAnswered(t *testing.T) {
	running, release := make(chan struct{}, 2), make(chan struct{})
	f, early := serving(t, func(http.ResponseWriter, *http.Request) {
		running <- struct{}{}
		<-release
	})
	ask(t, early)
	<-running
	late, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	stopped := make(chan error)
	go func() {
		stopped <- f.Stop(t.Context(), func() { ask(t, late) }) // sent when the front accepts no more
	}()
	<-running
	close(release)
	for name, conn := range map[string]net.Conn{"early": early, "late": late} {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("the %s request: %v", name, err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK || !response.Close {
			t.Errorf("the %s request: %s, close %v", name, response.Status, response.Close)
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", f.Addr().String()); err == nil {
		t.Error("it still accepts")
	}
}

func TestStoppingCutsOffARequestThatDoesNotEnd(t *testing.T) {
	running := make(chan struct{})
	f, conn := serving(t, func(_ http.ResponseWriter, r *http.Request) {
		close(running)
		<-r.Context().Done()
	})
	ask(t, conn)
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	if err := f.Stop(ctx, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("it stopped with %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the request was answered")
	}
}

// Browsers open connections in advance: nobody waits for those.
func TestStoppingDoesNotWaitForASilentConnection(t *testing.T) {
	f, _ := serving(t, func(http.ResponseWriter, *http.Request) {})
	if err := f.Stop(t.Context(), func() {}); err != nil {
		t.Error(err)
	}
}
