package cursor

import (
	"time"

	"github.com/towerkit/tower/internal/store"
)

// A Cost is what keeping a query current has cost since it was opened.
type Cost struct {
	Evaluations uint64        // commits that touched it
	Refills     uint64        // evaluations that read the store because records had left the window
	Spent       time.Duration // time spent on evaluations while [Engine.Measure] was on
}

// Cost returns what the query has cost. A [Sink] must not call it.
func (q *Query) Cost() Cost {
	q.engine.mu.Lock()
	defer q.engine.mu.Unlock()
	return q.cost
}

// Measure switches the timing of evaluations on or off. Timing costs about as much as
// a cheap evaluation.
func (e *Engine) Measure(on bool) { e.measured.Store(on) }

// viewNow views the state after the commit that is being matched, and counts the
// views.
func (e *Engine) viewNow(read func(*store.Snapshot) error) error {
	e.reads++
	return e.st.ViewAt(e.metered, e.now.seq, read)
}
