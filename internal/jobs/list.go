package jobs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// List returns jobs that run, then those that wait in the order in which they are due, dead ones
// and those that have ended: at most limit, and only those of a queue, in a state or of a name, unless only is "".
func (e *Engine) List(ctx context.Context, only string, limit int) (all []Job, err error) {
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		s := &scanner{table: e.table, snap: snap, now: e.store.Now()}
		add := func(from, to string) {
			s.each(from, to, func(job Job) bool {
				if only == "" || only == job.Queue || only == job.State || only == job.Name {
					all = append(all, job)
				}
				if s.err = ctx.Err(); s.err != nil {
					return false
				}
				return len(all) < limit
			})
		}
		add("r/", "r0")
		running := len(all)
		lanes := map[string]bool{}
		s.heads(func(lane string, _ Job) { lanes[lane] = true })
		var waiting []Job
		for lane := range lanes {
			all = all[:running]
			add(lane, lane+":")
			waiting = append(waiting, all[running:]...)
		}
		slices.SortFunc(waiting, func(a, b Job) int {
			return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
		})
		all = append(all[:running:running], waiting...)
		all = all[:min(len(all), limit)]
		if len(all) < limit {
			add("d/", "d0")
		}
		if len(all) < limit && only != "" {
			add("f/", "f0")
		}
		return s.err
	})
	return all, err
}

// Find returns a job, or [store.ErrNotFound].
func (e *Engine) Find(ctx context.Context, id record.ID) (job Job, err error) {
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		job, err = e.table.Find(snap, id)
		return err
	})
	return job, err
}

// Table returns the table of the engine's jobs.
func (e *Engine) Table() *Table { return e.table }

// Comes returns the application's schedules, the next first.
func (e *Engine) Comes(ctx context.Context) (all []Due, err error) {
	if e.Calendar == nil {
		return nil, nil
	}
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		return e.Calendar.Scan(snap, store.Range{Index: e.Calendar.Model.Field("nextAt")}, func(due Due) bool {
			all = append(all, due)
			return true
		})
	})
	return all, err
}

// An UnscheduledError says that there is no such schedule.
type UnscheduledError struct{ name string }

func (e *UnscheduledError) Error() string { return fmt.Sprintf("no schedule has a job %q", e.name) }

// EnqueueNow enqueues the job of the first schedule with its name now, beside its times.
func (e *Engine) EnqueueNow(ctx context.Context, tx *store.Tx, name string) (record.ID, error) {
	for i := range e.Schedules {
		if s := &e.Schedules[i]; s.Job == name {
			now := tx.Now().UTC().Truncate(time.Microsecond)
			o := s.Options
			o.scheduled = &now
			return e.table.Enqueue(ctx, tx, s.Job, s.Args, o)
		}
	}
	return "", &UnscheduledError{name}
}
