package budget

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const share = 10 * time.Millisecond // of each second

// records is the cost of a request that works for so long.
func records(work time.Duration) Cost { return Cost{Records: int((work - perRequest) / perRecord)} }

// enter enters and fails the test if that takes longer than most.
func enter(t *testing.T, c *Clients, key string, most time.Duration) (leave func(Cost)) {
	t.Helper()
	start := time.Now()
	leave, err := c.Enter(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > most {
		t.Fatalf("%s waited %s, want at most %s", key, took, most)
	}
	return leave
}

// exhaust uses up the work of a client.
func exhaust(t *testing.T, c *Clients, key string) {
	t.Helper()
	enter(t, c, key, time.Minute)(records(10 * time.Hour))
}

func (c *Clients) left(key string) time.Duration {
	one := c.begin(key)
	defer c.end(one, 0, 0)
	one.mu.Lock()
	defer one.mu.Unlock()
	return c.work.wait(&one.work, time.Now())
}

func TestWhatFollowsCommitsIsCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(share, 1, 100)
		most := int(followBurst * share / perRecord)
		c.Followed("ada", most-1)
		if !c.MayFollow("ada") || !c.MayFollow("bob") {
			t.Error("something is left of the allowance")
		}
		c.Followed("ada", most+1)
		if c.MayFollow("ada") || !c.MayFollow("bob") {
			t.Error("ada alone has used up the allowance")
		}
		if c.left("ada") > 0 {
			t.Error("requests have an allowance of their own")
		}
		time.Sleep(followBurst * time.Second)
		if c.MayFollow("ada") {
			t.Error("a minute's work was overdrawn, and is back after a minute")
		}
		time.Sleep(time.Second)
		if !c.MayFollow("ada") {
			t.Error("the allowance does not come back")
		}
		c.Followed("", 10*most)
		if !c.MayFollow("") {
			t.Error("a console pays for nothing")
		}
	})
}

func TestAClientWithAnAllowanceNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(share, 1, 100)
		for range int(share / time.Millisecond) {
			enter(t, c, "ada", 0)(records(time.Millisecond))
		}
		if c.left("ada") == 0 {
			t.Fatal("some of the allowance is left")
		}
		time.Sleep(100 * time.Millisecond)
		enter(t, c, "ada", 0)(records(time.Second)) // overdrawn
		time.Sleep(50 * time.Second)
		if c.left("ada") == 0 {
			t.Fatal("the overdraft was not counted")
		}
		time.Sleep(50 * time.Second)
		enter(t, c, "ada", 0)(Cost{})
	})
}

func TestEagerClientsLeaveMostOfTheTimeToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const work = 40 * time.Millisecond
		c := New(share, 1, 100)
		var worked atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for i := range 20 {
			key := fmt.Sprint("eager ", i)
			exhaust(t, c, key)
			go func() {
				for {
					leave, err := c.Enter(ctx, key)
					if err != nil {
						return
					}
					time.Sleep(work)
					leave(records(work))
					worked.Add(int64(work))
				}
			}()
		}
		<-ctx.Done()
		synctest.Wait()
		if each := time.Duration(worked.Load()) / time.Duration(cap(c.lanes)); each > 3*time.Second || each < 2*time.Second {
			t.Errorf("a lane worked %s of ten seconds", each)
		}
		enter(t, c, "calm", 0)(records(work))
		time.Sleep(time.Second)
	})
}

// TestAClientHasOneAllowanceAndOnePlaceInLine lets one client send many requests at a time,
// and others one. Each gets as many through.
func TestAClientHasOneAllowanceAndOnePlaceInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const work = 5 * time.Millisecond
		c := New(share, 1, 1000)
		c.lanes = make(chan struct{}, 1)
		c.lanes <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		served := map[string]*atomic.Int64{"many": {}, "one": {}, "another": {}}
		for key, count := range served {
			exhaust(t, c, key)
			requests := 1
			if key == "many" {
				requests = 50
			}
			for range requests {
				go func() {
					for {
						leave, err := c.Enter(ctx, key)
						if err != nil {
							return
						}
						time.Sleep(work)
						leave(records(work))
						count.Add(1)
					}
				}()
			}
		}
		<-ctx.Done()
		synctest.Wait()
		many, one := served["many"].Load(), served["one"].Load()
		if one < 1000 || many > one*11/10 {
			t.Errorf("with fifty requests at a time %d were served, with one %d", many, one)
		}
		time.Sleep(time.Second)
	})
}

func TestWhoWaitsIsRefusedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(share, 1, maxWaiting+1)
		exhaust(t, c, "ada")
		exhaust(t, c, "bob")
		c.lanes = make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		refused := func(key string, after time.Duration) {
			t.Helper()
			start := time.Now()
			_, err := c.Enter(ctx, key)
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Wait < time.Second || time.Since(start) != after {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		}
		for range maxWaiting {
			go func() { _, _ = c.Enter(ctx, "ada") }()
		}
		synctest.Wait()
		refused("ada", 0) // it has too many that wait
		go func() { _, _ = c.Enter(ctx, "bob") }()
		synctest.Wait()
		refused("bob", 0) // all have too many
		enter(t, c, "carl", 0)(Cost{})
		<-ctx.Done()
		synctest.Wait()
		if c.waiting.Load() != 0 || c.all["ada"].waiting != 0 || c.all["ada"].requests != 0 {
			t.Errorf("%d wait still", c.waiting.Load())
		}
		refused("ada", 0)
	})
}

func TestBytesAreRefusedUntilTheyArePaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(share, 1000, 100)
		c.Answered("ada", 3999)
		if err := c.Check("ada"); err != nil {
			t.Error(err)
		}
		c.Answered("ada", 10_001) // one answer may be as large as it is
		var refusal *Refusal
		if err := c.Check("ada"); !errors.As(err, &refusal) || refusal.Wait.Round(time.Millisecond) != 10*time.Second {
			t.Errorf("%v", err)
		}
		if _, err := c.Enter(t.Context(), "ada"); !errors.As(err, &refusal) {
			t.Errorf("%v", err)
		}
		if err := c.Check("bob"); err != nil {
			t.Error(err)
		}
		time.Sleep(refusal.Wait + time.Millisecond)
		if err := c.Check("ada"); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoHasNoKeyHasNoBounds(t *testing.T) {
	c := New(1, 1, 0)
	for range 100 {
		enter(t, c, "", time.Hour)(records(time.Hour))
		c.Answered("", 1<<40)
		if err := c.Check(""); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClientsAreForgotten lets more clients come than are kept. Whoever has used much, or has
// a request, is kept.
func TestClientsAreForgotten(t *testing.T) {
	c := New(share, 1000, 100)
	exhaust(t, c, "ada")
	enter(t, c, "bob", time.Hour)
	for i := range 2 * maxClients {
		c.Answered(fmt.Sprint(i), 1)
	}
	if n := len(c.all); n > maxClients {
		t.Errorf("%d clients are known", n)
	}
	if c.all["ada"] == nil || c.all["bob"] == nil {
		t.Error("a client that works was forgotten")
	}
}

func TestLongReadsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(share, 1, 100)
		var working, most, ended atomic.Int64
		for range 20 {
			go func() {
				for range 10 {
					done, err := c.Turn(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					if n := working.Add(1); n > int64(cap(c.turns)) {
						most.Store(n)
					}
					time.Sleep(time.Millisecond)
					working.Add(-1)
					done()
				}
				ended.Add(1)
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if most.Load() > 0 || ended.Load() != 20 {
			t.Errorf("%d worked at once, want at most %d; %d of 20 ended", most.Load(), cap(c.turns), ended.Load())
		}
		for range cap(c.turns) {
			if _, err := c.Turn(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Turn(ctx); err == nil {
			t.Error("there was another turn")
		}
	})
}
