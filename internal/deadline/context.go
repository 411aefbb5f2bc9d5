package deadline

import (
	"context"
	"sync"
	"time"
)

// A Context ends as one of [context.WithDeadline] does. It starts a timer only when somebody
// waits for its end, because most requests are answered before that. It is safe for
// concurrent use.
type Context struct {
	context.Context // its parent
	at              time.Time

	mu     sync.Mutex
	waits  context.Context // ends when this one does; nil: nobody waits
	cancel context.CancelFunc
	err    error // why it has ended, while nobody waits
}

// Start makes c a context that ends with its parent, or at a time.
func (c *Context) Start(parent context.Context, at time.Time) {
	c.Context, c.at = parent, at
	if at, ok := parent.Deadline(); ok && at.Before(c.at) {
		c.at = at
	}
}

// Stop ends the context, unless it has ended.
func (c *Context) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits != nil {
		c.cancel()
	} else if c.ended() == nil {
		c.err = context.Canceled
	}
}

// Deadline returns when the context ends.
func (c *Context) Deadline() (time.Time, bool) { return c.at, true }

// Err returns why the context has ended, nil if it has not.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits != nil {
		return c.waits.Err()
	}
	return c.ended()
}

// ended is Err while nobody waits.
func (c *Context) ended() error {
	switch {
	case c.err != nil:
	case c.Context.Err() != nil:
		c.err = c.Context.Err()
	case !time.Now().Before(c.at):
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// Done returns a channel that is closed when the context has ended.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits == nil {
		switch c.ended() {
		case nil:
			c.waits, c.cancel = context.WithDeadline(c.Context, c.at)
		case context.DeadlineExceeded:
			c.waits, c.cancel = context.WithDeadline(context.WithoutCancel(c.Context), time.Time{})
		default:
			c.waits, c.cancel = context.WithCancel(context.WithoutCancel(c.Context))
			c.cancel()
		}
	}
	return c.waits.Done()
}

// Value returns the parent's value for a key.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	waits := c.waits
	c.mu.Unlock()
	if waits != nil {
		return waits.Value(key) // package context finds its own here
	}
	return c.Context.Value(key)
}
