package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

var errStopping = errors.New("the application closes")

// A Permanent is an error after which a job is not tried again.
type Permanent struct{ Err error }

func (p *Permanent) Error() string { return p.Err.Error() }

func (p *Permanent) Unwrap() error { return p.Err }

// Last reports whether a try that failed is the job's last.
func (j *Job) Last(failed error) bool {
	var permanent *Permanent
	return j.Attempt >= j.MaxAttempts || errors.As(failed, &permanent)
}

// finishing is how long the engine tries to commit the end of a try.
const finishing = Lease

// finish commits what has come of a try.
func (e *Engine) finish(run *Run, failed error) {
	e.log(run, failed)
	ctx, cancel := context.WithTimeout(context.Background(), finishing)
	defer cancel()
	for {
		_, err := e.store.Update(ctx, run.Author(), func(tx *store.Tx) error {
			now := tx.Now()
			return run.change(tx, func(job *Job) { e.settle(job, failed, now) })
		})
		switch {
		case err == nil || errors.Is(err, ErrLost): // it may have completed itself
			return
		case errors.Is(err, store.ErrAway) || errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrConflict):
			select {
			case <-time.After(time.Second):
				continue
			case <-ctx.Done():
			}
		}
		e.Log.Error("a job has ended, and this could not be stored; it will be tried again", "job", run.Job.Name, "id", run.Job.ID, "error", err)
		return
	}
}

// Failed is the outcome of a try that is not the last.
const Failed = "failed"

// Outcomes are what a try may have been: done, failed and to be tried again, dead after its
// last try, given back as the application closes, or lost.
var Outcomes = []string{Done, Failed, Dead, "returned", "lost"}

func outcome(run *Run, failed error) string {
	switch {
	case failed == nil:
		return Done
	case errors.Is(failed, ErrLost):
		return "lost"
	case errors.Is(failed, errStopping):
		return "returned"
	case run.Job.Last(failed):
		return Dead
	}
	return Failed
}

// settle sets what a job is after a try.
func (e *Engine) settle(job *Job, failed error, now time.Time) {
	switch {
	case failed == nil:
		job.Error = ""
		job.end(Done, now, now.Add(Keep))
	case errors.Is(failed, errStopping):
		job.Attempt--
		job.wait(now)
	default:
		job.fail(Described(failed), job.Last(failed), now)
	}
}

// fail makes the job wait for its next try, or dead after the last.
func (j *Job) fail(reason string, last bool, now time.Time) {
	j.Error = reason
	if last {
		j.end(Dead, now, time.Time{})
		return
	}
	j.wait(now.Add(Backoff(j.Attempt)))
}

// Backoff returns how long a job waits after a try: about 1 s, 16 s, 81 s, 4 min, 10 min, …,
// a day at most, and up to a tenth more or less, so that jobs that have failed together are
// not tried together.
func Backoff(attempt int) time.Duration {
	n := min(time.Duration(attempt), 17)
	wait := min(n*n*n*n*time.Second, 24*time.Hour)
	return wait - wait/10 + rand.N(wait/5)
}

// Described returns an error as it is stored.
func Described(err error) string {
	text := err.Error()
	var panicked *fault.Panic
	if errors.As(err, &panicked) {
		text = fmt.Sprintf("panic: %v", panicked.Value) // the log has the stack
	}
	if len(text) > maxError {
		text = text[:maxError] + "…"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

// log writes what has come of a try.
func (e *Engine) log(run *Run, failed error) {
	attrs := []any{"job", run.Job.Name, "id", run.Job.ID, "attempt", run.Job.Attempt}
	switch {
	case failed == nil, errors.Is(failed, errStopping), errors.Is(failed, ErrLost):
	case run.Job.Last(failed):
		e.Log.Error("a job is dead after its last try", append(attrs, "error", failed)...)
	default:
		e.Log.Warn("a job has failed and will be tried again", append(attrs, "error", failed)...)
	}
}

// upkeep deletes jobs that have been kept for long enough, takes back those whose leases have expired,
// and postpones those that this build has no handler for.
func (e *Engine) upkeep(ctx context.Context, f found) error {
	if len(f.old)+len(f.expired)+len(f.unknown) == 0 {
		return nil
	}
	_, err := e.store.Update(ctx, "jobs", func(tx *store.Tx) error {
		now := tx.Now()
		for _, all := range [][]Job{f.old, f.expired, f.unknown} {
			for _, candidate := range all {
				job, _, err := e.table.Get(tx, candidate.ID)
				if errors.Is(err, store.ErrNotFound) || err == nil && job.Slot != candidate.Slot {
					continue
				}
				if err == nil {
					err = e.mend(tx, &job, now)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	return err
}

// mend does upkeep on one job.
func (e *Engine) mend(tx *store.Tx, job *Job, now time.Time) error {
	switch job.State {
	case Running:
		job.takeBack(now)
	case Waiting:
		job.Error = fmt.Sprintf("this build of the application has no job %q", job.Name)
		e.Log.Warn("a job is due that this build has no handler for", "job", job.Name, "id", job.ID)
		job.wait(now.Add(postponed))
	default:
		return tx.Delete(e.table.Model, job.ID)
	}
	return e.table.Put(tx, job.ID, job)
}

// takeBack ends a try whose process has ended.
func (j *Job) takeBack(now time.Time) {
	const reason = "the process ended while the job ran"
	if j.Attempt >= j.MaxAttempts {
		j.fail(reason, true, now)
		return
	}
	j.Error = reason
	j.wait(now)
}

// reclaim takes back all jobs that run: those of the process that had the store before.
func (e *Engine) reclaim(ctx context.Context) error {
	for {
		var f found
		if err := e.store.View(ctx, func(snap *store.Snapshot) error {
			s := &scanner{table: e.table, snap: snap}
			s.each("r/", "r0", func(job Job) bool {
				f.expired = append(f.expired, job)
				return len(f.expired) < batch
			})
			return s.err
		}); err != nil || len(f.expired) == 0 {
			return err
		}
		if err := e.upkeep(ctx, f); err != nil {
			return err
		}
	}
}

// renew renews the leases of the tries that run here, until ctx ends and none does.
func (e *Engine) renew(ctx context.Context) {
	every := time.NewTicker(Lease / 3)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		tries := e.Tries()
		if len(tries) == 0 {
			e.rouse() // to see expired leases
			continue
		}
		_, err := e.store.Update(ctx, "jobs", func(tx *store.Tx) error {
			until := "r/" + typed.Stamp(tx.Now().Add(Lease))
			for _, run := range tries {
				job, err := run.own(tx)
				if errors.Is(err, ErrLost) {
					continue
				}
				job.Slot = until
				if err == nil {
					err = e.table.Put(tx, job.ID, &job)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			e.Log.Warn("renew the leases of jobs", "error", err)
		}
	}
}

// RunDue runs what is due, one job after another, until nothing is. It returns how many tries
// it has run.
func (e *Engine) RunDue(ctx context.Context) (ran int, err error) {
	for {
		_, err := e.schedule(ctx)
		var found found
		if err == nil {
			found, err = e.look(ctx, 1, nil)
		}
		if err == nil {
			err = e.upkeep(ctx, found)
		}
		if err != nil || found.nothing() {
			return ran, err
		}
		taken, err := e.take(ctx, found.due)
		if err != nil {
			return ran, err
		}
		for _, run := range taken {
			e.start(ctx, run)
			e.runs.Wait()
			ran++
		}
	}
}
