package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Keep is how long jobs that are done or cancelled are kept.
const Keep = 7 * 24 * time.Hour

// Options are how a job is enqueued. Zero fields are the defaults.
type Options struct {
	Queue       string
	Priority    int
	MaxAttempts int
	Delay       time.Duration
	At          time.Time // in place of Delay
	Key         string    // while a job of the name with the key waits or runs, there is no second; "": none
	For         record.ID
	Trace       string // of what enqueues it; "": it is not recorded

	scheduled *time.Time // the time of the schedule that enqueues it
}

// Check returns an error if the options are not those of a job.
func (o *Options) Check() error {
	if err := CheckName(o.Queue); err != nil {
		return fmt.Errorf("the queue %w", err)
	}
	switch {
	case o.Priority < 1 || o.Priority > maxPriority:
		return fmt.Errorf("the priority is %d; it is from 1, the first, to %d", o.Priority, maxPriority)
	case o.MaxAttempts < 1:
		return fmt.Errorf("a job has %d attempts; it needs at least one", o.MaxAttempts)
	}
	return nil
}

// Enqueue creates a job in a transaction, and returns its id: that of the one that is there
// already, if the key is taken.
func (t *Table) Enqueue(ctx context.Context, tx *store.Tx, name string, args []byte, o Options) (record.ID, error) {
	if err := o.Check(); err != nil {
		return "", fmt.Errorf("enqueue %s: %w", name, err)
	}
	now := tx.Now()
	job := Job{Name: name, Queue: o.Queue, Priority: o.Priority, MaxAttempts: o.MaxAttempts, Args: args, For: o.For, Scheduled: o.scheduled, Trace: o.Trace}
	if o.Key != "" {
		key := name + "/" + o.Key
		if id, err := t.byKey(ctx, tx, key); id != "" || err != nil {
			return id, err
		}
		job.Key = &key
	}
	due := now.Add(max(o.Delay, 0))
	if !o.At.IsZero() {
		due = o.At
	}
	if due.Before(now.Add(slow)) {
		job.Chain = Chain(tx.By())
	}
	job.wait(due)
	image, err := t.Create(tx, &job)
	if err != nil {
		return "", err
	}
	return image.ID, nil
}

// byKey returns the job that has a key, "" if there is none.
func (t *Table) byKey(ctx context.Context, tx *store.Tx, key string) (id record.ID, err error) {
	at := &store.Bound{Value: record.StringValue(key)}
	err = tx.View(ctx, func(snap *store.Snapshot) error {
		return snap.Scan(t.Model, store.Range{Index: t.Model.Field("key"), Min: at, Max: at}, func(image *record.Image) bool {
			id = image.ID
			return false
		})
	})
	return id, err
}

// A StateError is why a job cannot be changed.
type StateError struct{ State string }

func (e *StateError) Error() string { return "the job is " + e.State }

// Cancel ends a job that waits or runs. Its try commits nothing more, and its context ends.
func (t *Table) Cancel(tx *store.Tx, id record.ID) error {
	job, _, err := t.Get(tx, id)
	if err != nil {
		return err
	}
	if job.ended() {
		return &StateError{job.State}
	}
	now := tx.Now()
	job.end(Cancelled, now, now.Add(Keep))
	return t.Put(tx, job.ID, &job)
}

// Retry makes a job due now: one that waits, or one that is dead or cancelled, which begins
// with its first try again and keeps the steps that it has done.
func (t *Table) Retry(tx *store.Tx, id record.ID) error {
	job, _, err := t.Get(tx, id)
	if err != nil {
		return err
	}
	switch job.State {
	case Running:
		return &StateError{job.State}
	case Done:
		return &StateError{job.State}
	case Dead, Cancelled:
		job.Attempt, job.Finished = 0, nil
	}
	job.wait(tx.Now())
	return t.Put(tx, job.ID, &job)
}

// Drop deletes a job that does not run.
func (t *Table) Drop(tx *store.Tx, id record.ID) error {
	job, _, err := t.Get(tx, id)
	if err != nil {
		return err
	}
	if job.State == Running {
		return &StateError{job.State + "; cancel it first"}
	}
	return tx.Delete(t.Model, id)
}
