package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// What a schedule does with times that it missed, because no worker ran.
const (
	MissedOnce = "once" // one job for all of them
	MissedSkip = "skip" // none
	MissedEach = "each" // a job for each, the last hundred
)

// onTime is how late a time may be that has not been missed.
const onTime = time.Minute

// maxEach bounds how many missed times get jobs.
const maxEach = 100

// A Schedule enqueues a job whenever a time of its expression comes.
type Schedule struct {
	Job     string
	Cron    Cron
	Args    json.RawMessage
	Options Options
	Missed  string
}

// key identifies the schedule among those of the application.
func (s *Schedule) key() string {
	return fmt.Sprintf("%s %s %s", s.Job, s.Cron.zone, s.Cron.text)
}

// Due is the content of a schedule's record: when its next time is. It moves on in the
// commit that enqueues the job, so each time gets its job once, however many
// processes look.
type Due struct {
	ID   record.ID
	Key  string
	Job  string
	Cron string
	Zone string
	Next time.Time
	Last *time.Time
}

// CheckSchedules returns an error if two schedules are the same, or have jobs that the application does not do.
func (c *Config) CheckSchedules() error {
	seen := map[string]bool{}
	for i := range c.Schedules {
		s := &c.Schedules[i]
		if _, done := c.Handlers[s.Job]; !done {
			return fmt.Errorf("the schedule %q is of the job %q, which is not one of Config.Jobs", s.Cron.text, s.Job)
		}
		if seen[s.key()] {
			return fmt.Errorf("the job %q is scheduled twice with %q in %s", s.Job, s.Cron.text, s.Cron.zone)
		}
		seen[s.key()] = true
	}
	return nil
}

// schedules returns the records of schedules, by their keys.
func (e *Engine) schedules(tx *store.Tx) (map[string]Due, error) {
	all := map[string]Due{}
	err := tx.View(context.Background(), func(snap *store.Snapshot) error {
		return e.Calendar.Scan(snap, store.Range{}, func(due Due) bool {
			all[due.Key] = due
			return true
		})
	})
	return all, err
}

// adopt makes the records of schedules those that this build declares. New ones begin now.
func (e *Engine) adopt(ctx context.Context) error {
	if e.Calendar == nil {
		return nil
	}
	_, err := e.store.Update(ctx, "schedules", func(tx *store.Tx) error {
		stored, err := e.schedules(tx)
		if err != nil {
			return err
		}
		for i := range e.Schedules {
			s := &e.Schedules[i]
			if _, known := stored[s.key()]; known {
				delete(stored, s.key())
				continue
			}
			due := Due{Key: s.key(), Job: s.Job, Cron: s.Cron.text, Zone: s.Cron.zone.String()}
			if due.Next, err = s.Cron.Next(tx.Now()); err != nil {
				return err
			}
			if _, err := e.Calendar.Create(tx, &due); err != nil {
				return err
			}
		}
		for _, old := range stored {
			if err := tx.Delete(e.Calendar.Model, old.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("schedules: %w", err)
	}
	return nil
}

// schedule enqueues the jobs of schedules whose times have come, and returns when the next comes.
func (e *Engine) schedule(ctx context.Context) (next time.Time, err error) {
	if e.Calendar == nil {
		return time.Time{}, nil
	}
	for {
		due, next, err := e.comes(ctx)
		if err != nil || len(due) == 0 {
			return next, err
		}
		if _, err := e.store.Update(ctx, "schedules", func(tx *store.Tx) error {
			for _, id := range due {
				if err := e.enqueueDue(ctx, tx, id); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return time.Time{}, err
		}
	}
}

// comes returns the schedules of this build that are due, and when the next is. It reads one
// record more than are due.
func (e *Engine) comes(ctx context.Context) (ids []record.ID, next time.Time, err error) {
	now := e.store.Now()
	err = e.store.View(ctx, func(snap *store.Snapshot) error {
		return e.Calendar.Scan(snap, store.Range{Index: e.Calendar.Model.Field("nextAt")}, func(due Due) bool {
			if e.declared(&due) == nil { // by another build
				return true
			}
			if due.Next.After(now) {
				next = due.Next
				return false
			}
			ids = append(ids, due.ID)
			return true
		})
	})
	return ids, next, err
}

// declared returns the schedule that a record is of, nil if this build does not declare it.
func (e *Engine) declared(due *Due) *Schedule {
	for i := range e.Schedules {
		if s := &e.Schedules[i]; s.Job == due.Job && s.Cron.text == due.Cron && s.Cron.zone.String() == due.Zone {
			return s
		}
	}
	return nil
}

// enqueueDue enqueues what is due of a declared schedule, and moves its record on.
func (e *Engine) enqueueDue(ctx context.Context, tx *store.Tx, id record.ID) error {
	due, _, err := e.Calendar.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	now, s := tx.Now(), e.declared(&due)
	if due.Next.After(now) { // another process was first
		return nil
	}
	var times []time.Time
	for ; !due.Next.After(now); due.Next, err = s.Cron.Next(due.Next) {
		if err != nil {
			return err
		}
		if times = append(times, due.Next); len(times) > maxEach {
			times = times[1:]
		}
	}
	if err != nil {
		return err
	}
	last := times[len(times)-1]
	due.Last = &last
	switch {
	case s.Missed != MissedEach && (s.Missed == MissedOnce || now.Sub(last) <= onTime):
		times = []time.Time{last}
	case s.Missed == MissedSkip:
		times = nil
	}
	for _, at := range times {
		o := s.Options
		o.scheduled = &at
		if _, err := e.table.Enqueue(ctx, tx, s.Job, s.Args, o); err != nil {
			return err
		}
	}
	return e.Calendar.Put(tx, due.ID, &due)
}
