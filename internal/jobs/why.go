package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/store"
)

// Why says why a job is where it is: what it waits for, or how it ended.
func (e *Engine) Why(ctx context.Context, job *Job) (string, error) {
	now := e.store.Now()
	tries := fmt.Sprintf("try %d of %d", job.Attempt, job.MaxAttempts)
	switch job.State {
	case Running:
		text := fmt.Sprintf("it has been running for %s, %s, in the process %s", Ago(now, *job.Started), tries, job.Worker)
		if job.Worker == e.worker {
			text = fmt.Sprintf("it has been running for %s in this process, %s", Ago(now, *job.Started), tries)
		}
		if lease := slotTime(job.Slot); lease.UnixMicro() > 0 {
			text += fmt.Sprintf("; unless that renews its lease, another takes it over in %s", Ago(lease, now))
		}
		return text, nil
	case Dead:
		return fmt.Sprintf("it is dead since %s: its last try, %d of %d, failed: %s; retry it, or drop it", Ago(now, *job.Finished), job.Attempt, job.MaxAttempts, job.Error), nil
	case Done, Cancelled:
		return fmt.Sprintf("it is %s since %s, after %s", job.State, Ago(now, *job.Finished), tries), nil
	}
	failed := ""
	if job.Error != "" {
		failed = fmt.Sprintf("; the last try, %d of %d, failed: %s", job.Attempt, job.MaxAttempts, job.Error)
	}
	if job.Due.After(now) {
		return fmt.Sprintf("it is due in %s%s", Ago(job.Due, now), failed), nil
	}
	reason, err := e.whyNot(ctx, job, now)
	return fmt.Sprintf("it is due since %s; %s%s", Ago(now, job.Due), reason, failed), err
}

// whyNot says why a job that is due does not run yet.
func (e *Engine) whyNot(ctx context.Context, job *Job, now time.Time) (string, error) {
	free, room := e.room()
	if _, does := e.Handlers[job.Name]; !does {
		return fmt.Sprintf("this build of the application has no job %q", job.Name), nil
	}
	if e.Workers == 0 {
		return "this process runs no jobs, since TOWER_WORKERS is 0 or off; a process with workers takes it", nil
	}
	if left, bounded := room[job.Queue]; bounded && left <= 0 {
		return fmt.Sprintf("its queue %s already runs %d, as many as Config.Queues allows", job.Queue, e.Queues[job.Queue]), nil
	}
	before := 0
	err := e.store.View(ctx, func(snap *store.Snapshot) error {
		s := &scanner{table: e.table, snap: snap, now: now}
		for priority := 1; priority <= job.Priority; priority++ {
			from := lane(job.Queue, priority)
			to := job.Due
			if priority < job.Priority {
				to = now
			}
			before += len(s.until(from, to, manyBefore))
		}
		return s.err
	})
	if free > 0 {
		return "a worker is about to take it", err
	}
	text := fmt.Sprintf("all %d workers are busy", e.Workers)
	if before = max(before-1, 0); before >= manyBefore {
		text += fmt.Sprintf(", and more than %d of its queue come first", manyBefore)
	} else if before > 0 {
		text += fmt.Sprintf(", and %d of its queue come first", before)
	}
	return text, err
}

// manyBefore is up to how many jobs are counted that come before another.
const manyBefore = 1000

// Ago returns the time between two times for people.
func Ago(to, from time.Time) string {
	d := to.Sub(from)
	if d > time.Second {
		return d.Round(time.Second).String()
	}
	return max(d, 0).Round(time.Millisecond).String()
}
