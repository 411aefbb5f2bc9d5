package server

import (
	"sync"

	"github.com/towerkit/tower/internal/cursor"
)

// An answerCache shares encoded answers among clients that resume a query from the same
// position at about the same time. It is safe for concurrent use.
type answerCache struct {
	mu     sync.Mutex
	bodies map[*cursor.Delta][]byte // by the first of the shared deltas
}

const maxCachedAnswers = 64

// get returns the body of the answer to an open, and calls make if it is not cached.
func (c *answerCache) get(o *cursor.Opened, make func() ([]byte, error)) ([]byte, error) {
	if !o.Shared || len(o.Deltas) == 0 {
		return make()
	}
	c.mu.Lock()
	body := c.bodies[&o.Deltas[0]]
	c.mu.Unlock()
	if body != nil {
		return body, nil
	}
	body, err := make()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.bodies) >= maxCachedAnswers || c.bodies == nil {
		c.bodies = map[*cursor.Delta][]byte{}
	}
	c.bodies[&o.Deltas[0]] = body
	return body, nil
}
