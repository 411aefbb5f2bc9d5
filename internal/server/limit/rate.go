package limit

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/towerkit/tower/internal/server/fault"
)

// By says whom a rate counts together.
type By string

// What a rate counts by.
const (
	ByUser    By = "user" // visitors by their address
	ByAddress By = "address"
)

// A Rate allows N requests at once, and then N in each Per, evenly spread.
type Rate struct {
	N   int
	Per time.Duration
	By  By
}

// Check returns an error for a rate that makes no sense.
func (r Rate) Check() error {
	switch {
	case r.N <= 0:
		return fmt.Errorf("%d requests are none; allow at least 1", r.N)
	case r.Per <= 0:
		return fmt.Errorf("%s is no time; use one such as time.Minute", r.Per)
	case r.By != ByUser && r.By != ByAddress:
		return errors.New("a rate is by user or by address")
	}
	return nil
}

// key returns whom the rate counts a party as.
func (r Rate) key(p Party) string {
	if r.By == ByAddress {
		p.User = ""
	}
	return p.Key()
}

const (
	maxBuckets = 100_000
	sampling   = 8 // buckets that are compared to find some to forget
)

// A bucket is a rate of one route and one party.
type bucket struct {
	route, party string
	rate         Rate
}

// Rates counts the requests of an application's routes, in memory. It forgets the parties
// that have been quiet, and if there are too many, those that have requested least. It is
// safe for concurrent use.
type Rates struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[bucket]*rate.Limiter
}

// NewRates returns rates without any use so far.
func NewRates() *Rates { return &Rates{now: time.Now, buckets: map[bucket]*rate.Limiter{}} }

// Take counts a request of a party for a route. If it is one too many for a rate, Take
// counts it for none, and returns an error with the time to wait.
func (r *Rates) Take(route string, rates []Rate, party Party) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	var wait time.Duration
	var over Rate
	taken := make([]*rate.Reservation, 0, len(rates))
	for _, each := range rates {
		one := r.of(bucket{route, each.key(party), each}, now).ReserveN(now, 1)
		taken = append(taken, one)
		if delay := one.DelayFrom(now); delay > wait {
			wait, over = delay, each
		}
	}
	if wait == 0 {
		return nil
	}
	for _, one := range taken {
		one.CancelAt(now)
	}
	return fault.TooSoon("rate", wait, fmt.Sprintf("%s allows %d requests in %s", route, over.N, over.Per))
}

// of returns a bucket.
func (r *Rates) of(b bucket, now time.Time) *rate.Limiter {
	if found := r.buckets[b]; found != nil {
		return found
	}
	r.forget(now)
	fresh := rate.NewLimiter(rate.Limit(float64(b.rate.N)/b.rate.Per.Seconds()), b.rate.N)
	r.buckets[b] = fresh
	return fresh
}

// forget looks at some buckets, in no order. It drops those that are as good as new, and the
// fullest if there is no place left.
func (r *Rates) forget(now time.Time) {
	var fullest bucket
	most, seen := -1.0, 0
	for b, limiter := range r.buckets {
		left := limiter.TokensAt(now) / float64(b.rate.N)
		switch {
		case left >= 1:
			delete(r.buckets, b)
		case left > most:
			fullest, most = b, left
		}
		if seen++; seen == sampling {
			break
		}
	}
	if len(r.buckets) >= maxBuckets {
		delete(r.buckets, fullest)
	}
}
