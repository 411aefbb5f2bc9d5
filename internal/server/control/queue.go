package control

import (
	"context"

	"github.com/towerkit/tower/internal/wire"
)

// maxQueuedRequests is how many requests of one console wait for those before them.
const maxQueuedRequests = 64

// An queuedRequest request is to be answered, unless its context has ended.
type queuedRequest struct {
	ctx context.Context
	req *wire.ControlRequest
}

// enqueue notes a request, and returns the context in which it is answered.
func (c *console) enqueue(ctx context.Context, id uint64) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending[id] = cancel
	return ctx
}

// cancel ends the context of a request, whether it waits, has begun, or has been
// answered.
func (c *console) cancel(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.pending[id]; cancel != nil {
		cancel()
		delete(c.pending, id)
	}
}

// answerAll answers requests in order, one after the other.
func (c *console) answerAll(requests <-chan queuedRequest) {
	for r := range requests {
		c.answer(r.ctx, r.req)
		c.cancel(r.req.ID)
		c.startStreams()
	}
}
