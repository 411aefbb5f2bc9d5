package hostile

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
)

// impatient ends clients that pause for two seconds. Tests must not count on a shorter time:
// a busy machine pauses the server, too.
func impatient() tower.Config {
	config := notebook()
	config.Limits = tower.Limits{Patience: 2 * time.Second, MinSpeed: 1 << 20}
	return config
}

// TestSlowBodiesEnd sends a request whose body stops after its first byte to everything that
// takes a body.
func TestSlowBodiesEnd(t *testing.T) {
	a := attack(t, impatient())
	clients := scaled(1, 20)
	for _, path := range []string{"/notes", "/echo", "/nothing", "/notes?_method=PATCH", "/_tower/poll", "/_tower/send", "/_tower/stream", "/_tower/session", "/_tower/nothing"} {
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/csv"} {
			t.Run(path+" "+kind, func(t *testing.T) {
				t.Parallel()
				a := a.in(t)
				var conns []*net.TCPConn
				for range clients {
					conns = append(conns, a.open("POST "+path+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(a.app.URL, "http://")+
						"\r\nContent-Type: "+kind+"\r\nContent-Length: 100000\r\n\r\n{"))
				}
				for _, conn := range conns {
					_ = conn.SetReadDeadline(time.Now().Add(patience))
					if answer, err := io.ReadAll(conn); err != nil {
						t.Errorf("the connection is open after %v: %v, %.100s", patience, err, answer)
					}
				}
			})
		}
	}
}

// TestASlowBodyIsRefusedWithItsReason reads what a client is sent that is too slow.
func TestASlowBodyIsRefusedWithItsReason(t *testing.T) {
	a := attack(t, impatient())
	body, slow := io.Pipe()
	defer slow.Close()
	go func() { _, _ = io.WriteString(slow, `{"text":"`) }()
	request := a.newRequest("POST", "/echo", "x")
	request.Body, request.ContentLength = body, 1000
	response, err := a.client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(text), `"too_slow"`) {
		t.Errorf("%s %s", response.Status, text)
	}
}

// TestSlowReadersEnd asks for a large file and does not read it.
func TestSlowReadersEnd(t *testing.T) {
	a := attack(t, impatient())
	conn := a.open("GET /large.txt HTTP/1.1\r\nHost: " + strings.TrimPrefix(a.app.URL, "http://") + "\r\n\r\n")
	first := make([]byte, 1)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(first); err != nil {
		t.Fatal(err)
	}
	// The server ends the connection, and what is written to it then fails.
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, err := conn.Write([]byte("x")); err != nil {
			return
		}
	}
	t.Error("the server still holds a client that reads nothing")
}

// TestWhoMakesProgressGoesOn reads a large file in pieces, with pauses that are longer than a
// client may pause altogether.
func TestWhoMakesProgressGoesOn(t *testing.T) {
	config := impatient()
	config.Limits.MinSpeed = 1 << 10
	a := attack(t, config)
	response, err := http.DefaultClient.Do(a.newRequest("GET", "/large.txt", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := int64(0)
	for range 5 {
		time.Sleep(time.Second)
		n, err := io.CopyN(io.Discard, response.Body, 1<<20)
		if got += n; err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
	}
	rest, err := io.Copy(io.Discard, response.Body)
	if got+rest != 8<<20 || err != nil {
		t.Errorf("%d bytes: %v", got+rest, err)
	}
}
