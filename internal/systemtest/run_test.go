package systemtest

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/towerkit/tower"
)

// A supervisor's side of the protocol, and the application's end.
type supervision struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Scanner
	ended chan error
}

func supervise(t *testing.T, data string) *supervision {
	t.Helper()
	config := sample()
	config.Env, config.Data = "test", data
	return superviseConfig(t, config)
}

// superviseConfig runs an application as [tower.App.Run] does under a supervisor.
func superviseConfig(t *testing.T, config tower.Config) *supervision {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	t.Setenv("TOWER_ADDR", "127.0.0.1:0")
	t.Setenv("TOWER_SUPERVISOR", path)
	t.Setenv("TOWER_CONSOLE", "off")
	app, err := tower.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &supervision{t: t, ended: make(chan error, 1)}
	go func() { s.ended <- app.Run(context.Background()) }()
	if s.conn, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close() })
	s.lines = bufio.NewScanner(s.conn)
	return s
}

func (s *supervision) hear() string {
	s.t.Helper()
	s.conn.SetReadDeadline(time.Now().Add(time.Minute))
	if !s.lines.Scan() {
		s.t.Fatalf("the application said nothing: %v", s.lines.Err())
	}
	return s.lines.Text()
}

func (s *supervision) say(word string) {
	s.t.Helper()
	if _, err := s.conn.Write([]byte(word + "\n")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *supervision) end() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(time.Minute):
		s.t.Fatal("the application does not end")
		return nil
	}
}

func TestAnApplicationDoesAsItsSupervisorSays(t *testing.T) {
	data := filepath.Join(t.TempDir(), "app.db")
	first := supervise(t, data)
	addr, ready := strings.CutPrefix(first.hear(), "ready ")
	if !ready {
		t.Fatal("the first word is not ready")
	}
	first.say("open")
	if word := first.hear(); word != "serving" {
		t.Fatal(word)
	}
	if response, err := http.Get("http://" + addr + "/posts"); err != nil || response.StatusCode != 200 {
		t.Fatal(response, err)
	}
	socket, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/_tower/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	stream, err := http.Post("http://"+addr+"/_tower/stream", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()

	second := supervise(t, data) // ready beside the first, which holds the store
	second.hear()
	first.say("stop")
	if _, _, err := socket.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
		t.Errorf("the socket ended with %v", err)
	}
	if events, err := io.ReadAll(stream.Body); err != nil || !strings.Contains(string(events), `"end":{"code":1012`) {
		t.Errorf("the stream ended with %s, %v", events, err)
	}
	if err := first.end(); err != nil {
		t.Errorf("stopped: %v", err)
	}
	second.say("open")
	if word := second.hear(); word != "serving" {
		t.Error(word)
	}

	third := supervise(t, data) // told to open what the second holds
	third.hear()
	third.say("open")
	if word := third.hear(); !strings.HasPrefix(word, "failed ") || !strings.Contains(word, "app.db") {
		t.Error(word)
	}
	if err := third.end(); err == nil {
		t.Error("the third ended well")
	}
	second.conn.Close() // its supervisor is gone
	if err := second.end(); err != nil {
		t.Errorf("without a supervisor: %v", err)
	}
}
