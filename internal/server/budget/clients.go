package budget

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	perRequest = 500 * time.Microsecond // the work of a request that reads nothing
	perRecord  = 2 * time.Microsecond   // for each record that is read
	perByte    = 5 * time.Nanosecond    // for each byte that is answered

	rest  = 3 // a lane rests three times as long as it worked
	burst = 4 // how many seconds' bytes a client may be answered with at once

	followBurst = 60 // how many seconds' work a client's open cursors may cause at once

	maxWaiting = 1000    // requests of one client that wait
	maxClients = 100_000 // clients that are known
	sampling   = 8       // clients that are compared to find some to forget
)

// A Cost is what a request took.
type Cost struct {
	Records int // that were read
	Bytes   int // that were made of them
}

// work estimates the processor time.
func (c Cost) work() time.Duration {
	return perRequest + time.Duration(c.Records)*perRecord + time.Duration(c.Bytes)*perByte
}

// A Refusal is the error for a request that a client may send again after a time.
type Refusal struct {
	Reason string
	Wait   time.Duration
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }

// Clients holds the allowances of an application's clients by their keys. It forgets those
// who have all of their allowances. It is safe for concurrent use.
type Clients struct {
	work, bytes allowance
	follow      allowance // of work for open cursors, when commits change them
	lanes       chan struct{}
	turns       chan struct{} // as many as there are lanes
	waiting     atomic.Int64
	maxWaiting  int64 // requests of all clients together

	mu  sync.Mutex
	all map[string]*client
}

// New returns clients that may each cause so much work in a second, and be answered with
// so many bytes. Of all clients together, so many requests may wait.
func New(work time.Duration, bytes, waiting int) *Clients {
	c := &Clients{
		work: allowance{work.Seconds(), work.Seconds()}, bytes: allowance{float64(bytes), burst * float64(bytes)},
		follow: allowance{work.Seconds(), followBurst * work.Seconds()},
		lanes:  make(chan struct{}, max(runtime.GOMAXPROCS(0)/2, 1)), maxWaiting: int64(waiting), all: map[string]*client{},
	}
	c.turns = make(chan struct{}, cap(c.lanes))
	for range cap(c.lanes) {
		c.lanes <- struct{}{}
		c.turns <- struct{}{}
	}
	return c
}

// Turn returns when a turn is free, and takes it until done is called. It fails if ctx ends
// before. A turn is for a short part of a long read, by a client with an allowance or
// without. Clients get turns in the order of their arrival. As there is one for every two
// processors, all long reads together leave half of the processors to others.
func (c *Clients) Turn(ctx context.Context) (done func(), err error) {
	select {
	case <-c.turns:
		return func() { c.turns <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Enter returns when a client may begin a request that reads: at once while it has an
// allowance, and otherwise when a lane is free. The caller must call leave with the cost.
// If the client has been answered with too many bytes, if too many of its requests wait, or
// if ctx ends meanwhile, the error is a [*Refusal]. A client without a key has no bounds.
func (c *Clients) Enter(ctx context.Context, key string) (leave func(Cost), err error) {
	if key == "" {
		return func(Cost) {}, nil
	}
	one := c.begin(key)
	if err := c.checkBytes(one); err != nil {
		c.end(one, 0, 0)
		return nil, err
	}
	one.mu.Lock()
	wait := c.work.wait(&one.work, time.Now())
	one.mu.Unlock()
	if wait == 0 {
		return func(cost Cost) { c.end(one, cost.work(), 0) }, nil
	}
	if err := c.queue(ctx, one); err != nil {
		c.end(one, 0, 0)
		return nil, err
	}
	return func(cost Cost) {
		work := cost.work()
		time.AfterFunc(rest*work, func() { c.lanes <- struct{}{} })
		c.end(one, min(work, time.Duration(c.work.size*float64(time.Second))), 0) // it has paid by waiting
	}, nil
}

// Followed counts records that were read for a client's open cursors because a commit changed them.
func (c *Clients) Followed(key string, records int) {
	if key == "" {
		return
	}
	one := c.begin(key)
	defer c.end(one, 0, 0)
	one.mu.Lock()
	defer one.mu.Unlock()
	c.follow.add(&one.follow, (time.Duration(records) * perRecord).Seconds(), time.Now())
}

// MayFollow reports whether more may be read for a client's open cursors. Unlike a request, a commit cannot
// wait for its turn.
func (c *Clients) MayFollow(key string) bool {
	if key == "" {
		return true
	}
	one := c.begin(key)
	defer c.end(one, 0, 0)
	one.mu.Lock()
	defer one.mu.Unlock()
	return c.follow.wait(&one.follow, time.Now()) == 0
}

// Check returns a [*Refusal] if a client has been answered with too many bytes.
func (c *Clients) Check(key string) error {
	if key == "" {
		return nil
	}
	one := c.begin(key)
	defer c.end(one, 0, 0)
	return c.checkBytes(one)
}

// Answered counts bytes that a client was answered with.
func (c *Clients) Answered(key string, bytes int) {
	if key != "" {
		c.end(c.begin(key), 0, bytes)
	}
}

func (c *Clients) checkBytes(one *client) error {
	one.mu.Lock()
	defer one.mu.Unlock()
	if wait := c.bytes.wait(&one.bytes, time.Now()); wait > 0 {
		return &Refusal{"more was answered than this client may receive in so short a time", wait}
	}
	return nil
}

// queue takes a lane for a request, when the requests of its client before it have had
// theirs.
func (c *Clients) queue(ctx context.Context, one *client) error {
	one.mu.Lock()
	full := one.waiting >= maxWaiting || c.waiting.Load() >= c.maxWaiting
	if !full {
		one.waiting++
		c.waiting.Add(1)
	}
	if one.turn == nil {
		one.turn = make(chan struct{}, 1)
		one.turn <- struct{}{}
	}
	one.mu.Unlock()
	if full {
		return c.tooMuch(one)
	}
	defer func() {
		one.mu.Lock()
		one.waiting--
		one.mu.Unlock()
		c.waiting.Add(-1)
	}()
	select {
	case <-one.turn:
		defer func() { one.turn <- struct{}{} }()
	case <-ctx.Done():
		return c.tooMuch(one)
	}
	select {
	case <-c.lanes:
		return nil
	case <-ctx.Done():
		return c.tooMuch(one)
	}
}

func (c *Clients) tooMuch(one *client) error {
	one.mu.Lock()
	defer one.mu.Unlock()
	return &Refusal{"this client reads more than it may; read less", max(c.work.wait(&one.work, time.Now()), time.Second)}
}

// begin returns the client with a key, which has one more request until it ends.
func (c *Clients) begin(key string) *client {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.all[key]
	if one == nil {
		c.forget(time.Now())
		one = &client{}
		c.all[key] = one
	}
	one.mu.Lock()
	one.requests++
	one.mu.Unlock()
	return one
}

// end ends a request and counts what it took.
func (c *Clients) end(one *client, work time.Duration, bytes int) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.requests--
	now := time.Now()
	c.work.add(&one.work, work.Seconds(), now)
	c.bytes.add(&one.bytes, float64(bytes), now)
}

// isIdle reports whether a client is like one that is not known.
func (c *Clients) isIdle(one *client, now time.Time) bool {
	c.work.wait(&one.work, now)
	c.bytes.wait(&one.bytes, now)
	c.follow.wait(&one.follow, now)
	return one.requests == 0 && one.work.spent == 0 && one.bytes.spent == 0 && one.follow.spent == 0
}

// forget looks at some clients, in no order. It drops those that are idle and, if there is
// no place left, the one that has used the least.
func (c *Clients) forget(now time.Time) {
	var least string
	used, seen := -1.0, 0
	for key, one := range c.all {
		one.mu.Lock()
		idle, busy := c.isIdle(one, now), one.requests > 0
		uses := one.work.spent/c.work.size + one.bytes.spent/c.bytes.size + one.follow.spent/c.follow.size
		one.mu.Unlock()
		switch {
		case idle:
			delete(c.all, key)
		case !busy && (used < 0 || uses < used):
			least, used = key, uses
		}
		if seen++; seen == sampling {
			break
		}
	}
	if len(c.all) >= maxClients && used >= 0 {
		delete(c.all, least)
	}
}
