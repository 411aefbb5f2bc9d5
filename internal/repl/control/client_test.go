package control

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/private/privatetest"
	"github.com/towerkit/tower/internal/repl/fakeapp"
	"github.com/towerkit/tower/internal/wire"
)

func TestAttachWithoutAListener(t *testing.T) {
	folder := t.TempDir()
	if _, err := Attach(t.Context(), filepath.Join(folder, "absent"), "console:ada"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("absent: got %v, want ErrNotRunning", err)
	}
	app := fakeapp.Start(t)
	app.Abandon()
	if _, err := dial(app)(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dead socket: got %v, want ErrNotRunning", err)
	}
}

func TestAttachToAnotherVersion(t *testing.T) {
	app := fakeapp.Start(t)
	for version, want := range map[int]string{wire.Version + 1: "this console is older", wire.Version - 1: "the application is older"} {
		app.SetVersion(version)
		if _, err := dial(app)(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("version %d: got %v, want %q", version, err, want)
		}
	}
}

func TestClientAnswersManyAtOnce(t *testing.T) {
	client := attach(t, fakeapp.Start(t))
	if got := client.Hello().App; got != "blog" {
		t.Fatalf("hello: %q", got)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				var written wire.Written
				req := wire.ControlRequest{Do: wire.DoCreate, Model: "posts", Set: []byte(`{"title":"x"}`)}
				if err := client.Do(t.Context(), req, &written); err != nil || written.Seq == 0 {
					t.Errorf("create: %v %+v", err, written)
				}
			}
		})
	}
	all.Wait()
	var n int
	if err := client.Do(t.Context(), wire.ControlRequest{Do: wire.DoCount, Model: "posts"}, &n); err != nil || n != 400 {
		t.Errorf("count: %d %v, want 400", n, err)
	}
}

func TestClientErrors(t *testing.T) {
	app := fakeapp.Start(t)
	client := attach(t, app)
	err := client.Do(t.Context(), wire.ControlRequest{Do: wire.DoCreate, Model: "posts", Set: []byte(`{}`)}, nil)
	var remote *RemoteError
	if !errors.As(err, &remote) || remote.Code != "invalid" || len(remote.Problems["title"]) != 1 {
		t.Errorf("got %v, want the application's own error", err)
	}

	errInterrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	app.Before = func(wire.ControlRequest) { cancel(errInterrupted) }
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoCount, Model: "posts"}, nil); err != nil && !errors.Is(err, errInterrupted) {
		t.Errorf("got %v, want the cause of the context", err)
	}

	app.Before = func(wire.ControlRequest) { client.conn.Close() }
	if err := client.Do(t.Context(), wire.ControlRequest{Do: wire.DoCount, Model: "posts"}, nil); !errors.Is(err, ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
	<-client.Done()
	if err := client.Do(t.Context(), wire.ControlRequest{Do: wire.DoCount, Model: "posts"}, nil); !errors.Is(err, ErrLost) {
		t.Errorf("after the end: got %v, want ErrLost", err)
	}
}

func TestUnreadEventsAreCounted(t *testing.T) {
	app := fakeapp.Start(t)
	client := attach(t, app)
	if err := client.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	const sent = eventBuffer + 500
	for range sent {
		app.Send(wire.ControlEvent{Left: 9})
	}
	// Events and answers arrive in order, so the answer follows all events.
	if err := client.Do(t.Context(), wire.ControlRequest{Do: wire.DoCount, Model: "posts"}, nil); err != nil {
		t.Fatal(err)
	}
	received := 0
	for range eventBuffer {
		<-client.Events()
		received++
	}
	app.Send(wire.ControlEvent{Left: 10})
	if event := <-client.Events(); event.Missed != sent-received {
		t.Errorf("got %+v, want %d missed", event, sent-received)
	}
	if event := <-client.Events(); event.Left != 10 {
		t.Errorf("got %+v, want the event after", event)
	}
	client.Close()
	if _, open := <-client.Events(); open {
		t.Error("the events continue after Close")
	}
}

// TestAttachOnlyToOnesOwn attaches to what others could have put in the place of the socket.
func TestAttachOnlyToOnesOwn(t *testing.T) {
	privatetest.Socket(t, filepath.Join("tmp", "tower.sock"), func(folder string) error {
		client, err := Attach(t.Context(), filepath.Join(folder, "tmp", "tower.sock"), "console:ada")
		if err == nil {
			return client.Close()
		}
		if errors.Is(err, ErrNotRunning) {
			t.Error("the application would be started:", err)
		}
		return err
	})
	app := fakeapp.Start(t)
	for name, open := range map[string]func() error{
		"a socket that all may use": func() error { return os.Chmod(app.Path, 0o777) },
		"another user's socket":     func() error { return errors.Join(os.Chmod(app.Path, 0o600), os.Lchown(app.Path, 1, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" || open() != nil {
				return // only root can give a file away
			}
			if _, err := dial(app)(t.Context()); err == nil || errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), app.Path) {
				t.Errorf("got %v", err)
			}
		})
	}
}
