//go:build linux

package deploy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/oklog/ulid/v2"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/freeport"
	"github.com/towerkit/tower/internal/systemtest/process"
)

// stick gives an application a worker and a handler that do not end.
func stick(config *tower.Config) {
	config.Start = func(context.Context, *tower.App) error { select {} }
	config.Mount = map[string]http.Handler{"/stuck": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { select {} })}
}

// command returns the notes as a process of production that serves at an address.
func command(folder, address string, variables ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Args[0] = "notes"
	cmd.Env = append(os.Environ(), "TOWER_ENV=production", "TOWER_SECRET=x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF", "TOWER_FOLDER="+folder, "TOWER_ADDR="+address)
	cmd.Env = append(cmd.Env, variables...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func answers(address string) func() bool {
	return func() bool {
		response, err := http.Get("http://" + address + "/_tower/health")
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	}
}

func post(address, title string) error {
	request, err := http.NewRequest(http.MethodPost, "http://"+address+"/notes", strings.NewReader(fmt.Sprintf(`{"title":%q}`, title)))
	if err != nil {
		return err
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Idempotency-Key": {ulid.Make().String()}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("a note: %s", response.Status)
	}
	return nil
}

// A request that never ends, a socket that does not read and a worker that does not end do not keep an application from
// stopping, which says what it did not wait for. What was acknowledged is there afterwards.
func TestStoppingIsBounded(t *testing.T) {
	t.Parallel()
	folder, address := t.TempDir(), fmt.Sprint("127.0.0.1:", freeport.Find(t))
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd := command(folder, address, "STUCK=1")
	cmd.Stderr = output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill()
	process.Until(t, "it answers", answers(address))
	socket, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/_tower/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, frame := range []string{`{"hello":1}`, `{"id":1,"open":"notes.all","in":{}}`} {
		if err := socket.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	stuck, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	fmt.Fprintf(stuck, "GET /stuck HTTP/1.1\r\nHost: %s\r\n\r\n", address)
	if err := post(address, "kept"); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Minute):
		t.Fatal("it does not stop")
	}
	text, err := os.ReadFile(output.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"requests did not finish within 5s", "Config.Start did not return within 5s"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("it did not say %q:\n%s", part, text)
		}
	}
	t.Logf("it stopped after %s", time.Since(began))

	again := command(folder, address)
	startQuietly(t, again, address)
	process.Until(t, "it answers again", answers(address))
	reader := startLoad(t, "http://"+address, 0, 1)
	reader.written["kept"] = note{Title: "kept"}
	reader.check()
}

// A container starts before the one that it replaces has ended. It is live and lets requests wait until it has the store.
func TestAnApplicationWaitsForTheStore(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first, second := fmt.Sprint("127.0.0.1:", freeport.Find(t)), fmt.Sprint("127.0.0.1:", freeport.Find(t))
	old := command(folder, first)
	startQuietly(t, old, first)
	process.Until(t, "the first serves", answers(first))
	startQuietly(t, command(folder, second), second)
	process.Until(t, "the second is live", func() bool {
		response, err := http.Get("http://" + second + "/_tower/health/live")
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	})
	if answers(second)() {
		t.Error("the second says that it is ready")
	}
	if err := post(first, "early"); err != nil {
		t.Fatal(err)
	}
	posted := make(chan error, 1)
	go func() { posted <- post(second, "late") }()
	if err := old.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-posted; err != nil {
		t.Error(err)
	}
	reader := startLoad(t, "http://"+second, 0, 1)
	reader.written["early"], reader.written["late"] = note{Title: "early"}, note{Title: "late"}
	reader.check()
}
