package control

import (
	"context"
	"errors"
	"testing"

	"github.com/towerkit/tower/internal/repl/fakeapp"
	"github.com/towerkit/tower/internal/wire"
)

func TestReconnectorAttachesAgain(t *testing.T) {
	app := fakeapp.Start(t)
	events := make(chan any, 100)
	r := NewReconnector(dial(app), func(event any) { events <- event })
	client, err := dial(app)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Current() != nil {
		t.Error("there is a client before Run")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx, client)
	}()
	var tx uint64
	for n := range 3 {
		if event, ok := (<-events).(Attached); !ok || event.Hello.App != "blog" || len(event.Connections) != 3 {
			t.Fatalf("attached: %+v", event)
		}
		var count int
		if err := r.Do(t.Context(), wire.ControlRequest{Do: wire.DoCount, Model: "posts"}, &count); err != nil {
			t.Fatal(err)
		}
		if n > 0 { // of the previous process
			if err := r.Do(t.Context(), wire.ControlRequest{Do: wire.DoCommit, Tx: tx}, nil); !errors.Is(err, errGone) {
				t.Errorf("a transaction of an earlier process: %v", err)
			}
		}
		if err := r.Do(t.Context(), wire.ControlRequest{Do: wire.DoBegin}, &tx); err != nil {
			t.Fatal(err)
		}
		app.Stop()
		if _, ok := (<-events).(Away); !ok {
			t.Fatal("no event reports that the application is away")
		}
		app.ForgetTransactions()
		app.Listen()
	}
	<-events
	cancel()
	<-ended
	if _, err := r.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
