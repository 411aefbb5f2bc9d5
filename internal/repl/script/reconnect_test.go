package script

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/fakeapp"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// startReconnector runs a reconnector to app until the test ends.
func startReconnector(t *testing.T, app *fakeapp.App) (l *control.Reconnector, events <-chan any, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan any, 100)
	l = control.NewReconnector(dial(app), func(event any) { got <- event })
	client, err := dial(app)(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx, client)
	}()
	end = func() { cancel(); <-ended }
	t.Cleanup(end)
	return l, got, end
}

// await skips events until one has type T.
func await[T any](t *testing.T, events <-chan any) T {
	t.Helper()
	for {
		select {
		case event := <-events:
			if wanted, ok := event.(T); ok {
				return wanted
			}
		case <-t.Context().Done():
			t.Fatal("no such event arrived")
		}
	}
}

func TestReconnectorAttachesAgain(t *testing.T) {
	app := fakeapp.Start(t)
	l, events, end := startReconnector(t, app)
	if got := await[control.Attached](t, events); got.Hello.App != "blog" || len(got.Connections) != 3 {
		t.Errorf("attached to %+v", got)
	}
	e := New(app.Hello(), l, Options{})
	s := &session{t: t, app: app, e: e}
	s.must(`let p = Post.create({title: "kept"})`)
	await[wire.ControlEvent](t, events)
	for range 3 {
		app.Stop()
		await[control.Away](t, events)
		app.Listen()
		await[control.Attached](t, events)
		if got := s.must(`[p.title, p.reload().title]`); got != `["kept","kept"]` {
			t.Errorf("got %s", got)
		}
	}
	end()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrInterrupted)
	if err := l.Do(ctx, wire.ControlRequest{Do: wire.DoCount, Model: "posts"}, nil); !errors.Is(err, ErrInterrupted) {
		t.Errorf("after the end: %v", err)
	}
}

func TestTransactionEndsWithTheApplication(t *testing.T) {
	app := fakeapp.Start(t)
	l, events, _ := startReconnector(t, app)
	await[control.Attached](t, events)
	s := &session{t: t, app: app, e: New(app.Hello(), l, Options{})}
	s.e.Print = func([]show.Value) {
		app.Stop()
		await[control.Away](t, events)
		app.Listen()
		await[control.Attached](t, events)
		app.Renumber()
	}
	_, failed := s.run(`transaction(() => { Post.create({title: "x"}); print(); Post.create({title: "y"}) })`)
	if !strings.Contains(failed, "the transaction was lost") || app.Count("posts") != 0 {
		t.Errorf("%q, %d records", failed, app.Count("posts"))
	}
}

func TestRequestsThatWaitCanBeInterrupted(t *testing.T) {
	app := fakeapp.Start(t)
	l, events, _ := startReconnector(t, app)
	await[control.Attached](t, events)
	app.Stop()
	await[control.Away](t, events)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrInterrupted)
	e := New(app.Hello(), l, Options{})
	if err := e.Run(ctx, Source{Text: `Post.count()`}, func(show.Value) {}); err == nil || err.Error() != "stopped" {
		t.Errorf("got %v", err)
	}
	app.Listen()
}
