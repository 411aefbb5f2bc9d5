package deadline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type valueKey struct{}

// TestAContextEndsAsThoseOfTheStandardLibrary ends contexts in each way, after each of the
// ways to look at them has been used or not, and compares them with their likes.
func TestAContextEndsAsThoseOfTheStandardLibrary(t *testing.T) {
	type ends struct{ parent, stop func() }
	for what, end := range map[string]func(ends){
		"not at all":              func(ends) {},
		"by its time":             func(ends) { time.Sleep(2 * time.Minute) },
		"by its parent":           func(e ends) { e.parent() },
		"by Stop":                 func(e ends) { e.stop() },
		"by Stop, then its time":  func(e ends) { e.stop(); time.Sleep(2 * time.Minute) },
		"by its time, then Stop":  func(e ends) { time.Sleep(2 * time.Minute); e.stop() },
		"by its parent, then all": func(e ends) { e.parent(); time.Sleep(2 * time.Minute); e.stop() },
		"by Stop, then its parent, then its time": func(e ends) { e.stop(); e.parent(); time.Sleep(2 * time.Minute) },
	} {
		for before, look := range map[string]func(context.Context){
			"unseen":       func(context.Context) {},
			"asked":        func(ctx context.Context) { _ = ctx.Err() },
			"waited for":   func(ctx context.Context) { ctx.Done() },
			"with a child": func(ctx context.Context) { context.AfterFunc(ctx, func() {}) },
		} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, what))
				defer cancel()
				want, stop := context.WithTimeout(parent, time.Minute)
				defer stop()
				var got Context
				got.Start(parent, time.Now().Add(time.Minute))
				defer got.Stop()
				look(&got)
				end(ends{cancel, func() { stop(); got.Stop() }})
				synctest.Wait()
				for range 2 { // also after the first look
					if got.Err() != want.Err() {
						t.Errorf("it ended %s, %s: %v, want %v", what, before, got.Err(), want.Err())
					}
					if cause := context.Cause(&got); cause != context.Cause(want) {
						t.Errorf("it ended %s, %s: by %v, want %v", what, before, cause, context.Cause(want))
					}
					select {
					case <-got.Done():
						if want.Err() == nil {
							t.Errorf("it did not end (%s, %s), and is done", what, before)
						}
					default:
						if want.Err() != nil {
							t.Errorf("it ended %s, %s, and is not done", what, before)
						}
					}
				}
				if got.Value(valueKey{}) != what {
					t.Error("the values of its parent are missing")
				}
			})
		}
	}
}

func TestAContextEndsItsChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ctx Context
		ctx.Start(t.Context(), time.Now().Add(time.Hour))
		child, cancel := context.WithTimeout(&ctx, 2*time.Hour)
		defer cancel()
		begun := time.Now()
		<-child.Done()
		if took := time.Since(begun); took != time.Hour || !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Errorf("its child ended after %s: %v", took, child.Err())
		}
		var late Context
		late.Start(child, time.Now().Add(time.Hour))
		if at, ok := late.Deadline(); !ok || at.After(begun.Add(time.Hour)) || !errors.Is(late.Err(), context.DeadlineExceeded) {
			t.Errorf("it ends at %s, after its parent (%v)", at, late.Err())
		}
	})
}
