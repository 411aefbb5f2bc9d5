package workers

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestStopWaitsForEachWorker(t *testing.T) {
	g := New()
	var ended atomic.Int32
	for _, name := range []string{"a", "a", "b"} {
		g.Go(name, func(ctx context.Context) error {
			<-ctx.Done()
			ended.Add(1)
			return ctx.Err()
		})
	}
	g.Go("short", func(context.Context) error { return nil })
	if err := g.Stop(time.Minute); err != nil || ended.Load() != 3 {
		t.Errorf("%d ended, %v", ended.Load(), err)
	}
	g.Go("late", func(context.Context) error { panic("it runs after the end") })
	if err := g.Stop(time.Minute); err != nil {
		t.Error(err)
	}
}

func TestTheFirstFailureIsKept(t *testing.T) {
	for what, work := range map[string]func(context.Context) error{
		"an error": func(context.Context) error { return errors.New("the queue is gone") },
		"a panic":  func(context.Context) error { panic("the queue is gone") },
		"a deadline of its own": func(context.Context) error {
			return errors.Join(context.Canceled, errors.New("the queue is gone"))
		},
	} {
		g := New()
		g.Go("mail", work)
		<-g.Failed()
		g.Go("other", func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("too late")
		})
		err := g.Stop(time.Minute)
		if err == nil || !strings.Contains(err.Error(), "mail failed: ") || !strings.Contains(err.Error(), "the queue is gone") || strings.Contains(err.Error(), "too late") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAWorkerThatStaysIsNamed(t *testing.T) {
	g := New()
	leave := make(chan struct{})
	defer close(leave)
	g.Go("stubborn", func(context.Context) error {
		<-leave
		return nil
	})
	if err := g.Stop(time.Millisecond); err == nil || !strings.Contains(err.Error(), "stubborn did not return within 1ms") {
		t.Error(err)
	}
}
