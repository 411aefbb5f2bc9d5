package dev

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestDrainWaitsForWhatTheTargetMayNotHaveReceived enters one request that stays, such as a
// long poll, and one that was sent just before the target must stop.
func TestDrainWaitsForWhatTheTargetMayNotHaveReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound = 3 * time.Second
		g, target := newGate(), newTarget("")
		g.open(target)
		enter := func() *pass {
			p, err := g.enter(t.Context(), false, nil)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		drains := func() time.Duration {
			began := time.Now()
			g.drain(target, bound)
			return time.Since(began)
		}
		if took := drains(); took != 0 {
			t.Errorf("without requests it took %s", took)
		}
		old := enter()
		time.Sleep(bound)
		fresh := enter()
		g.hold()
		time.AfterFunc(time.Second, func() { g.leave(fresh) })
		if took := drains(); took != time.Second {
			t.Errorf("with a request that takes a second it took %s", took)
		}
		if took := drains(); took != 0 {
			t.Errorf("with an old request it took %s", took)
		}
		g.leave(old)
		g.open(target)
		enter()
		g.hold()
		if took := drains(); took != bound {
			t.Errorf("with a request that is not answered it took %s", took)
		}
	})
}
