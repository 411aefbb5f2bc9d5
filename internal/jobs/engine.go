package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

// A Handler does a job. ctx ends when the job is cancelled or lost, or the application
// closes; [Of] returns its try.
type Handler func(ctx context.Context, args json.RawMessage) error

// Config describes the workers of a process.
type Config struct {
	Table     *Table
	Handlers  map[string]Handler // by the names of jobs
	Calendar  *typed.Table[Due]  // nil: there are no schedules
	Schedules []Schedule
	Workers   int                                            // most jobs that run at once; 0: none
	Queues    map[string]int                                 // most jobs of a queue that run at once
	Ended     func(name, outcome string, took time.Duration) // is called after each try: see Outcomes; nil: nothing is
	// Trace begins the trace of a try. It returns the context of the try, and a function that ends
	// the trace with the outcome. nil: nothing is traced.
	Trace func(context.Context, *Job) (_ context.Context, end func(outcome string))
	Grace time.Duration // that running jobs have when the engine stops, before their contexts end
	Log   *slog.Logger
}

const (
	// Lease is for how long a process has a job that it has taken, if it shares its log.
	Lease = 30 * time.Second
	// returning is how long handlers may take to return after the ends of their contexts.
	returning = 3 * time.Second
	// postponed is how long a job waits that this build has no handler for.
	postponed = time.Minute
	// longestWait is how long the engine sleeps at most.
	longestWait = time.Minute
)

// An Engine takes jobs that are due, and runs them. It is safe for concurrent use.
type Engine struct {
	Config
	table  *Table
	store  *store.Store
	worker string        // names the process
	wake   chan struct{} // holds a value when there may be something to take
	tally  *tally
	cancel context.CancelFunc
	loop   sync.WaitGroup

	mu      sync.Mutex
	running map[record.ID]*Run
	byQueue map[string]int
	runs    sync.WaitGroup
}

// New returns an engine for the jobs in a store, which nobody runs yet.
func New(s *store.Store, c Config) *Engine {
	return &Engine{Config: c, table: c.Table, store: s, worker: string(record.NewID()), wake: make(chan struct{}, 1), tally: newTally(),
		running: map[record.ID]*Run{}, byQueue: map[string]int{}}
}

// Start makes the schedules those of this build, counts jobs, takes those that are due and runs
// them, until Close. Without workers it takes none.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.adopt(ctx); err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	e.loop.Go(func() { e.count(running) })
	if e.Workers > 0 {
		e.loop.Go(func() { e.run(running) })
	}
	return nil
}

// Close takes no more jobs, and lets those that run return: for the grace, and, after their
// contexts have ended, for a moment more. What has not finished waits again, and has lost no
// try. A nil Engine does nothing.
func (e *Engine) Close() {
	if e == nil || e.cancel == nil {
		return
	}
	e.cancel()
	e.loop.Wait()
}

func (e *Engine) run(ctx context.Context) {
	var beside sync.WaitGroup
	beside.Go(func() { e.watch(ctx) })
	if e.store.SharesLog() {
		beside.Go(func() { e.renew(ctx) })
	} else if err := e.reclaim(ctx); err != nil && ctx.Err() == nil {
		e.Log.Error("jobs of the process before", "error", err)
	}
	for ctx.Err() == nil {
		next, err := e.Take(ctx)
		if err != nil && ctx.Err() == nil {
			e.Log.Error("take jobs", "error", err)
			next = e.store.Now().Add(time.Second)
		}
		e.sleep(ctx, next)
	}
	beside.Wait()
	e.stop()
}

// sleep returns when there may be something to take: at a time, if it is not zero.
func (e *Engine) sleep(ctx context.Context, until time.Time) {
	wait := longestWait
	if !until.IsZero() {
		wait = min(wait, max(until.Sub(e.store.Now()), 0))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-e.wake:
	case <-timer.C:
	}
}

func (e *Engine) rouse() {
	select {
	case e.wake <- struct{}{}:
	default: // it will look
	}
}

// watch follows the feed: it rouses the engine when a job waits, and ends the contexts of
// tries that have lost theirs.
func (e *Engine) watch(ctx context.Context) {
	for ctx.Err() == nil {
		feed := e.store.Feed(e.store.Seq())
		e.rouse()
		for {
			commit, err := feed.Next(ctx)
			if err != nil {
				if ctx.Err() == nil && !errors.Is(err, store.ErrExpired) { // the store has failed or is closed
					<-ctx.Done()
				}
				break
			}
			for i := range commit.Changes {
				if c := &commit.Changes[i]; c.Model == e.table.Model {
					e.changed(commit.Seq, c.ID, c.After)
				}
			}
		}
	}
}

// changed notes that a commit has changed a job; nil has deleted it.
func (e *Engine) changed(seq uint64, id record.ID, after *record.Image) {
	var job Job
	if after != nil {
		var err error
		if job, err = e.table.Of(after); err != nil {
			return
		}
	}
	if job.State == Waiting {
		e.rouse()
	}
	e.mu.Lock()
	run := e.running[id]
	e.mu.Unlock()
	if run != nil && seq > run.taken && !run.has(&job) {
		run.cancel(ErrLost)
	}
}

// Take takes jobs that are due, as many as there are workers for, and starts them. It
// returns when the next one is due, as far as that is known.
func (e *Engine) Take(ctx context.Context) (next time.Time, err error) {
	scheduled, err := e.schedule(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for {
		free, room := e.room()
		found, err := e.look(ctx, free, room)
		if err == nil {
			err = e.upkeep(ctx, found)
		}
		if err != nil || found.nothing() {
			return earlier(scheduled, found.next), err
		}
		taken, err := e.take(ctx, found.due)
		if err != nil {
			return time.Time{}, err
		}
		for _, run := range taken {
			e.start(ctx, run)
		}
	}
}

// take makes jobs the engine's own that nobody else has taken meanwhile.
func (e *Engine) take(ctx context.Context, due []Job) (taken []*Run, err error) {
	if len(due) == 0 {
		return nil, nil
	}
	commit, err := e.store.Update(ctx, "jobs", func(tx *store.Tx) error {
		taken = taken[:0]
		now := tx.Now()
		for _, candidate := range due {
			job, _, err := e.table.Get(tx, candidate.ID)
			if errors.Is(err, store.ErrNotFound) || err == nil && job.Slot != candidate.Slot {
				continue
			}
			if err != nil {
				return err
			}
			job.State, job.Started, job.Worker = Running, &now, e.worker
			job.Attempt++
			job.Slot = "r/" + typed.Stamp(e.lease(now))
			if err := e.table.Put(tx, job.ID, &job); err != nil {
				return err
			}
			taken = append(taken, &Run{Job: job, engine: e})
		}
		return nil
	})
	for _, run := range taken {
		run.taken = commit.Seq
	}
	return taken, err
}

// lease returns the end of a lease that begins now; zero if none is needed.
func (e *Engine) lease(now time.Time) time.Time {
	if !e.store.SharesLog() {
		return time.Time{}
	}
	return now.Add(Lease)
}

// start runs a job in a goroutine of its own.
func (e *Engine) start(ctx context.Context, run *Run) {
	e.mu.Lock()
	e.running[run.Job.ID] = run
	e.byQueue[run.Job.Queue]++
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	run.cancel = cancel
	e.runs.Add(1)
	e.mu.Unlock()
	if job, err := run.read(ctx); err == nil && !run.has(&job) { // it was lost before anybody could tell the try
		cancel(ErrLost)
	}
	go func() {
		defer e.runs.Done()
		e.do(own, run)
		cancel(nil)
		e.mu.Lock()
		delete(e.running, run.Job.ID)
		e.byQueue[run.Job.Queue]--
		e.mu.Unlock()
		e.rouse()
	}()
}

// do runs a job's handler, and commits what has come of it.
func (e *Engine) do(ctx context.Context, run *Run) {
	began, ended := time.Now(), func(string) {}
	if e.Trace != nil {
		ctx, ended = e.Trace(ctx, &run.Job)
	}
	err := fault.Recover("the job "+run.Job.Name, func() error {
		return e.Handlers[run.Job.Name](context.WithValue(ctx, runKey{}, run), run.Job.Args)
	})
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrLost):
		err = ErrLost
	case errors.Is(cause, errStopping) && err != nil:
		err = errStopping
	}
	came := outcome(run, err)
	if ended(came); e.Ended != nil {
		e.Ended(run.Job.Name, came, time.Since(began))
	}
	if !errors.Is(err, ErrLost) {
		e.finish(run, err)
	}
}

// stop waits for the running tries, and ends the contexts of those that take too long.
func (e *Engine) stop() {
	if e.returned(e.Grace) {
		return
	}
	for _, run := range e.Tries() {
		run.cancel(errStopping)
	}
	if e.returned(returning) {
		return
	}
	for _, run := range e.Tries() {
		e.Log.Warn("a job does not return after the end of its context", "job", run.Job.Name, "id", run.Job.ID)
		e.finish(run, errStopping)
		run.cancel(ErrLost)
	}
}

// returned waits until no try runs, for a time, and reports whether none does.
func (e *Engine) returned(most time.Duration) bool {
	idle := make(chan struct{})
	go func() {
		e.runs.Wait()
		close(idle)
	}()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}

// Tries returns the tries that run in this process, oldest first.
func (e *Engine) Tries() (all []*Run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, run := range e.running {
		all = append(all, run)
	}
	slices.SortFunc(all, func(a, b *Run) int { return a.Job.Started.Compare(*b.Job.Started) })
	return all
}
