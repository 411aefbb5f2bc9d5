package server

import (
	"context"

	"github.com/towerkit/tower/internal/wire"
)

// maxAsked is how many requests of one console wait for those before them.
const maxAsked = 64

// An asked request is to be answered, unless its context has ended.
type asked struct {
	ctx context.Context
	req *wire.ControlRequest
}

// ask notes a request, and returns the context in which it is answered.
func (c *console) ask(ctx context.Context, id uint64) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[id] = cancel
	return ctx
}

// giveUp ends the context of a request, whether it waits, has begun, or has been
// answered.
func (c *console) giveUp(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.asked[id]; cancel != nil {
		cancel()
		delete(c.asked, id)
	}
}

// answers answers requests in order, one after the other.
func (c *console) answers(requests <-chan asked) {
	for r := range requests {
		c.answer(r.ctx, r.req)
		c.giveUp(r.req.ID)
		c.begun()
	}
}
