package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// progressEvery is the least time between two commits of a job's progress.
const progressEvery = 100 * time.Millisecond

// A Run is one try of a job. It is safe for concurrent use.
type Run struct {
	Job Job // as the worker took it

	engine *Engine
	taken  uint64 // the commit that took it
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	progress *progress // not committed yet
	shown    time.Time // when progress was committed
}

type progress struct {
	done, total int64
	note        string
}

type runKey struct{}

// Of returns the try that runs with a context, nil if there is none.
func Of(ctx context.Context) *Run {
	run, _ := ctx.Value(runKey{}).(*Run)
	return run
}

// own returns the job as a transaction sees it, or [ErrLost] if it is not the try's any more.
func (r *Run) own(tx *store.Tx) (Job, error) {
	job, _, err := r.engine.table.Get(tx, r.Job.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Job{}, err
	}
	if job.State != Running || !r.has(&job) {
		return Job{}, ErrLost
	}
	return job, nil
}

// has reports whether a job's record is that of the try: running, or done by the try itself.
func (r *Run) has(job *Job) bool {
	return job.State == Done || job.State == Running && job.Worker == r.Job.Worker && job.Attempt == r.Job.Attempt
}

// read returns the job as it is stored: the zero Job if there is none.
func (r *Run) read(ctx context.Context) (job Job, err error) {
	err = r.engine.store.View(ctx, func(snap *store.Snapshot) error {
		job, err = r.engine.table.Find(snap, r.Job.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return job, err
}

// change changes the job in a transaction.
func (r *Run) change(tx *store.Tx, fn func(*Job)) error {
	job, err := r.own(tx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	if p := r.progress; p != nil {
		job.Progress, job.Total, job.Note = p.done, p.total, p.note
	}
	r.mu.Unlock()
	fn(&job)
	return r.engine.table.Put(tx, job.ID, &job)
}

// Step notes in a transaction that a step has been done. It returns false if it was done
// before; then the transaction should change nothing.
func (r *Run) Step(tx *store.Tx, name string) (first bool, err error) {
	job, err := r.own(tx)
	if err != nil || slices.Contains(job.Steps, name) {
		return false, err
	}
	return true, r.change(tx, func(job *Job) { job.Steps = append(slices.Clone(job.Steps), name) })
}

// Save stores a value with the job in a transaction, in place of the last one.
func (r *Run) Save(tx *store.Tx, value json.RawMessage) error {
	return r.change(tx, func(job *Job) { job.Saved = value })
}

// Saved returns what was saved last in this try or one before, nil if there is nothing.
func (r *Run) Saved(ctx context.Context) (json.RawMessage, error) {
	job, err := r.read(ctx)
	if err == nil && !r.has(&job) {
		err = ErrLost
	}
	return job.Saved, err
}

// Complete makes the job done in a transaction, with a result; nil is none.
func (r *Run) Complete(tx *store.Tx, result json.RawMessage) error {
	now := tx.Now()
	return r.change(tx, func(job *Job) {
		job.Result, job.Error = result, ""
		job.end(Done, now, now.Add(Keep))
	})
}

// Progress shows how far the job is. It commits that, unless it has just done so; the last
// progress is committed with the end of the try at the latest.
func (r *Run) Progress(ctx context.Context, done, total int64, note string) error {
	r.mu.Lock()
	r.progress = &progress{done, total, note}
	soon := time.Since(r.shown) < progressEvery
	if !soon {
		r.shown = time.Now()
	}
	r.mu.Unlock()
	if soon {
		return ctx.Err()
	}
	_, err := r.engine.store.Update(ctx, r.Author(), func(tx *store.Tx) error { return r.change(tx, func(*Job) {}) })
	return err
}

// ID returns the job's id.
func (r *Run) ID() record.ID { return r.Job.ID }

// Author returns the author of the commits of the try.
func (r *Run) Author() string { return Author(r.Job.Name, r.Job.Chain) }
