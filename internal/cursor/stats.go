package cursor

import (
	"context"
	"time"

	"github.com/towerkit/tower/internal/store"
)

// A Cost is what it took to keep a query current, since it was opened.
type Cost struct {
	Evaluations uint64        // commits that touched it
	Refills     uint64        // of those, how many made the store be read, because records had left its window
	Spent       time.Duration // on them, while [Engine.Measure] was on
}

// Cost returns what the query has cost. A [Sink] must not call it.
func (q *Query) Cost() Cost {
	q.engine.mu.Lock()
	defer q.engine.mu.Unlock()
	return q.cost
}

// Measure says whether the time is taken of each evaluation, which costs about as
// much as a cheap one does.
func (e *Engine) Measure(on bool) { e.measured.Store(on) }

// viewNow views the state after the commit that is being matched, and counts how
// often that is done.
func (e *Engine) viewNow(read func(*store.Snapshot) error) error {
	e.reads++
	return e.st.ViewAt(context.Background(), e.now.seq, read)
}
