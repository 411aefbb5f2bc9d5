package server

import (
	"sync"

	"github.com/towerkit/tower/internal/cursor"
)

// Bodies are what those are answered who come back with the same, at one time:
// it is made once for all of them. They are safe for concurrent use.
type answerCache struct {
	mu     sync.Mutex
	bodies map[*cursor.Delta][]byte // by the first of the deltas, which they share
}

const maxCachedAnswers = 64

// get returns the body of the answer to an open, which may have to be made.
func (b *answerCache) get(o *cursor.Opened, make func() ([]byte, error)) ([]byte, error) {
	if !o.Shared || len(o.Delta) == 0 {
		return make()
	}
	b.mu.Lock()
	body := b.bodies[&o.Delta[0]]
	b.mu.Unlock()
	if body != nil {
		return body, nil
	}
	body, err := make()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bodies) >= maxCachedAnswers || b.bodies == nil {
		b.bodies = map[*cursor.Delta][]byte{}
	}
	b.bodies[&o.Delta[0]] = body
	return body, nil
}
