package limit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
)

// clocked returns rates whose clock is now.
func clocked(now *time.Time) *Rates {
	r := NewRates()
	r.now = func() time.Time { return *now }
	return r
}

// TestRatesAgreeWithANaiveCount compares with buckets that hold when each request is paid
// for: N at once, and then one in each Per/N.
func TestRatesAgreeWithANaiveCount(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r, paid := clocked(&now), map[string]time.Time{}
	rates := []Rate{{N: 3, Per: time.Minute, By: ByUser}, {N: 8, Per: time.Hour, By: ByAddress}}
	refused := 0
	for i := range 20_000 {
		now = now.Add(time.Duration(random.IntN(40)) * time.Second)
		route := fmt.Sprint("POST /", random.IntN(2))
		party := PartyOf([]string{"", "ada", "ben"}[random.IntN(3)], fmt.Sprintf("10.0.0.%d", random.IntN(3)))
		var wait time.Duration
		for _, rate := range rates {
			if until := paid[route+rate.key(party)+rate.Per.String()].Sub(now); until > time.Duration(rate.N-1)*rate.Per/time.Duration(rate.N) {
				wait = max(wait, until-time.Duration(rate.N-1)*rate.Per/time.Duration(rate.N))
			}
		}
		err := r.Take(route, rates, party)
		if wait == 0 {
			if err != nil {
				t.Fatalf("step %d: %v; want none", i, err)
			}
			for _, rate := range rates {
				at := route + rate.key(party) + rate.Per.String()
				if paid[at].Before(now) {
					paid[at] = now
				}
				paid[at] = paid[at].Add(rate.Per / time.Duration(rate.N))
			}
			continue
		}
		refused++
		var coded *fault.Error
		if !errors.As(err, &coded) || coded.Code != fault.TooMany || (coded.Wait-wait).Abs() > time.Second || coded.Wait%time.Second != 0 {
			t.Fatalf("step %d: %v; want a wait of %s", i, err, wait)
		}
	}
	if refused == 0 || refused == 20_000 {
		t.Errorf("%d requests were refused", refused)
	}
}

func TestRatesForgetTheQuietAndAreBounded(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := clocked(&now)
	rates := []Rate{{N: 2, Per: time.Minute, By: ByAddress}}
	ask := func(n int) error {
		return r.Take("GET /", rates, PartyOf("", fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)))
	}
	for n := range maxBuckets + 1000 {
		if err := ask(n); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.buckets) != maxBuckets {
		t.Errorf("%d buckets, not %d", len(r.buckets), maxBuckets)
	}
	now = now.Add(time.Hour)
	for n := range maxBuckets / 2 {
		if err := ask(n); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.buckets) > maxBuckets*3/4 {
		t.Errorf("%d buckets; the quiet ones are kept", len(r.buckets))
	}
}

func TestRatesAreExactForManyAtATime(t *testing.T) {
	now := time.Now()
	r := clocked(&now)
	var served atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if r.Take("GET /", []Rate{{N: 50, Per: time.Hour, By: ByUser}}, PartyOf("ada", "10.0.0.1")) == nil {
					served.Add(1)
				}
			}
		})
	}
	all.Wait()
	if served.Load() != 50 {
		t.Errorf("%d of 800 were served, not 50", served.Load())
	}
}
