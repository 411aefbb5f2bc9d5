package control

import (
	"context"

	"github.com/towerkit/tower/internal/wire"
)

// maxQueuedRequests is the most requests of one console that wait.
const maxQueuedRequests = 64

// A queuedRequest waits for the requests before it. It is not run if its context has
// ended.
type queuedRequest struct {
	ctx context.Context
	req *wire.ControlRequest
}

// enqueue registers a request and returns the context to run it with.
func (c *console) enqueue(ctx context.Context, id uint64) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending[id] = cancel
	return ctx
}

// cancel ends the context of a request, whether it waits, runs or is finished.
func (c *console) cancel(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.pending[id]; cancel != nil {
		cancel()
		delete(c.pending, id)
	}
}

// answerAll answers requests one at a time, in order, until the channel is closed.
func (c *console) answerAll(requests <-chan queuedRequest) {
	for r := range requests {
		c.answer(r.ctx, r.req)
		c.cancel(r.req.ID)
		c.startStreams()
	}
}
