package repl

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/wire"
)

// startLink runs a link to app until the test ends.
func startLink(t *testing.T, app *fakeApp) (l *reconnector, told <-chan any, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan any, 100)
	l = newReconnector(dial(app), func(event any) { events <- event })
	client, err := dial(app)(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(ctx, client)
	}()
	end = func() { cancel(); <-ended }
	t.Cleanup(end)
	return l, events, end
}

// await skips what is told until something of its type.
func await[T any](t *testing.T, told <-chan any) T {
	t.Helper()
	for {
		select {
		case event := <-told:
			if wanted, ok := event.(T); ok {
				return wanted
			}
		case <-t.Context().Done():
			t.Fatal("nothing was told")
		}
	}
}

func TestLinkAttachesAgain(t *testing.T) {
	app := startFake(t)
	l, told, end := startLink(t, app)
	if got := await[attached](t, told); got.hello.App != "blog" || len(got.connections) != 3 {
		t.Errorf("attached to %+v", got)
	}
	e := newEvaluator(app.hello(), l, evaluatorOptions{})
	s := &session{t: t, app: app, e: e}
	s.must(`let p = Post.create({title: "kept"})`)
	await[wire.ControlEvent](t, told)
	for range 3 {
		app.stop()
		await[away](t, told)
		app.start()
		await[attached](t, told)
		if got := s.must(`[p.title, p.reload().title]`); got != `["kept","kept"]` {
			t.Errorf("got %s", got)
		}
	}
	end()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	if err := l.Do(ctx, wire.ControlRequest{Do: wire.DoCount, Model: "posts"}, nil); !errors.Is(err, errInterrupted) {
		t.Errorf("after the end: %v", err)
	}
}

func TestTransactionEndsWithTheApplication(t *testing.T) {
	app := startFake(t)
	l, told, _ := startLink(t, app)
	await[attached](t, told)
	s := &session{t: t, app: app, e: newEvaluator(app.hello(), l, evaluatorOptions{})}
	s.e.print = func([]value) {
		app.stop()
		await[away](t, told)
		app.start()
		await[attached](t, told)
		app.renumber()
	}
	_, failed := s.run(`transaction(() => { Post.create({title: "x"}); print(); Post.create({title: "y"}) })`)
	if !strings.Contains(failed, "the transaction is gone with it") || app.count("posts") != 0 {
		t.Errorf("%q, %d records", failed, app.count("posts"))
	}
}

func TestRequestsThatWaitCanBeInterrupted(t *testing.T) {
	app := startFake(t)
	l, told, _ := startLink(t, app)
	await[attached](t, told)
	app.stop()
	await[away](t, told)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	e := newEvaluator(app.hello(), l, evaluatorOptions{})
	if err := e.run(ctx, source{text: `Post.count()`}, func(value) {}); err == nil || err.Error() != "stopped" {
		t.Errorf("got %v", err)
	}
	app.start()
}
