package budget

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// enter enters and fails the test if that takes longer than most.
func enter(t *testing.T, l *Lanes, a *Allowance, most time.Duration) (leave func(time.Duration)) {
	t.Helper()
	start := time.Now()
	leave, err := l.Enter(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > most {
		t.Fatalf("it waited %s, want at most %s", took, most)
	}
	return leave
}

func TestAClientWithAnAllowanceNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes()
		var a Allowance
		for range int(allowance / time.Millisecond) {
			enter(t, l, &a, 0)(time.Millisecond)
		}
		if a.left(time.Now()) {
			t.Fatal("some of the allowance is left")
		}
		time.Sleep(refill * time.Millisecond)
		enter(t, l, &a, 0)(time.Second) // overdrawn
		time.Sleep(refill * time.Second / 2)
		if a.left(time.Now()) {
			t.Fatal("the overdraft was not counted")
		}
		time.Sleep(refill * time.Second / 2)
		enter(t, l, &a, 0)
	})
}

func TestEagerClientsLeaveMostOfTheTimeToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const work = 40 * time.Millisecond
		l := NewLanes()
		worked := make(chan time.Duration, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for range 20 {
			a := &Allowance{spent: time.Hour, at: time.Now()}
			go func() {
				for {
					leave, err := l.Enter(ctx, a)
					if err != nil {
						return
					}
					time.Sleep(work)
					leave(work)
					worked <- work
				}
			}()
		}
		<-ctx.Done()
		synctest.Wait()
		share := time.Duration(len(worked)) * work / time.Duration(cap(l.free))
		if share > 3*time.Second || share < 2*time.Second {
			t.Errorf("a lane worked %s of ten seconds", share)
		}
		var calm Allowance
		enter(t, l, &calm, 0)(work)
		time.Sleep(time.Second)
	})
}

func TestEnterEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Lanes{free: make(chan struct{})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Enter(ctx, &Allowance{spent: time.Hour, at: time.Now()}); err == nil {
			t.Error("a lane was free")
		}
	})
}
