package cursor

import (
	"context"
	"errors"
	"testing"

	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/store"
)

func TestWaiting(t *testing.T) {
	b := newBench(t, store.Options{}, titled("A", "x", 1))
	ctx, cancel := context.WithCancel(context.Background())
	if err := b.engine.Wait(ctx, b.st.Seq()); err != nil || b.engine.Seq() != 1 {
		t.Error(b.engine.Seq(), err)
	}
	waited := make(chan error, 3)
	for _, seq := range []uint64{2, 2, 3} {
		go func() { waited <- b.engine.Wait(context.Background(), seq) }()
	}
	ended := make(chan error, 1)
	go func() { ended <- b.engine.Run(ctx) }()
	b.sets("A", func(x *querytest.Thing) { x.Count = 2 })
	for range 2 {
		if err := <-waited; err != nil {
			t.Error(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := <-waited; !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
	if err := b.engine.Wait(ctx, 9); err == nil {
		t.Error("waited for a commit that was never made")
	}
	if err := b.engine.Open(context.Background(), "h", Spec{Scope: b.scope(`{}`, 0)}, nil, nil); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}
