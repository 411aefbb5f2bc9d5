package jobs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Queue is how many jobs a queue has.
type Queue struct {
	Name                          string
	Most                          int // that run at once in a process; 0: as many as there are workers
	Waiting, Running, Dead, Ended int // Ended are done or cancelled, and kept for a while
	Late                          time.Duration
}

// A tally counts the jobs in a store, by queue and state. It is safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	counts map[string]map[string]int
	ready  chan struct{} // closed once it has counted all
}

func newTally() *tally {
	return &tally{counts: map[string]map[string]int{}, ready: make(chan struct{})}
}

func (t *tally) add(job *Job, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts[job.Queue] == nil {
		t.counts[job.Queue] = map[string]int{}
	}
	t.counts[job.Queue][job.State] += n
}

// count keeps the tally that of the store, until ctx ends.
func (e *Engine) count(ctx context.Context) {
	for ctx.Err() == nil {
		seq, err := e.countAll(ctx)
		for feed := e.store.Feed(seq); err == nil; {
			var commit store.Commit
			if commit, err = feed.Next(ctx); err == nil {
				e.countCommit(&commit)
			}
		}
		if !errors.Is(err, store.ErrExpired) { // the store has failed, or is closed
			return
		}
	}
}

// countAll counts the jobs in the store, and returns the commit at which it did.
func (e *Engine) countAll(ctx context.Context) (seq uint64, err error) {
	all := newTally()
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		seq = snap.Seq()
		var failed error
		err := e.table.Scan(snap, store.Range{}, func(job Job) bool {
			all.add(&job, 1)
			failed = ctx.Err()
			return failed == nil
		})
		return errors.Join(err, failed)
	})
	if err != nil {
		return 0, err
	}
	e.tally.mu.Lock()
	defer e.tally.mu.Unlock()
	e.tally.counts = all.counts
	select {
	case <-e.tally.ready:
	default:
		close(e.tally.ready)
	}
	return seq, nil
}

func (e *Engine) countCommit(commit *store.Commit) {
	for i := range commit.Changes {
		c := &commit.Changes[i]
		if c.Model != e.table.Model {
			continue
		}
		for image, n := range map[*record.Image]int{c.Before: -1, c.After: 1} {
			if image == nil {
				continue
			}
			if job, err := e.table.Of(image); err == nil {
				e.tally.add(&job, n)
			}
		}
	}
}

// Tally returns how many jobs each queue has, by name: those that have any, and those that are
// bounded. It waits until they have been counted.
func (e *Engine) Tally(ctx context.Context) ([]Queue, error) {
	select {
	case <-e.tally.ready:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return e.Counted(ctx)
}

// Counted is [Engine.Tally] with what has been counted so far.
func (e *Engine) Counted(ctx context.Context) ([]Queue, error) {
	all := map[string]Queue{}
	for name, most := range e.Queues {
		all[name] = Queue{Name: name, Most: most}
	}
	e.tally.mu.Lock()
	for name, counts := range e.tally.counts {
		q := all[name]
		q.Name, q.Waiting, q.Running, q.Dead, q.Ended = name, counts[Waiting], counts[Running], counts[Dead], counts[Done]+counts[Cancelled]
		all[name] = q
	}
	e.tally.mu.Unlock()
	err := e.store.View(ctx, func(snap *store.Snapshot) error {
		s := &scanner{table: e.table, snap: snap, now: e.store.Now()}
		s.heads(func(lane string, head Job) {
			q := all[head.Queue]
			q.Name = head.Queue
			q.Late = max(q.Late, s.now.Sub(head.Due))
			all[head.Queue] = q
		})
		return s.err
	})
	return slices.SortedFunc(maps.Values(all), func(a, b Queue) int { return strings.Compare(a.Name, b.Name) }), err
}
