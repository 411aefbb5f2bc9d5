package tower

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/server/form"
)

// A Schedule enqueues a job again and again: see [Every].
type Schedule struct {
	schedule jobs.Schedule
	err      error
}

// Missed is what a schedule does with times that it missed, because no worker ran.
type Missed string

const (
	// RunOnce enqueues one job for all times that were missed.
	RunOnce Missed = jobs.MissedOnce
	// Skip enqueues none for times that are more than a minute ago.
	Skip Missed = jobs.MissedSkip
	// RunEach enqueues a job for each time, of more than a hundred for the last hundred.
	RunEach Missed = jobs.MissedEach
)

// Every returns the schedule, for [Config], that enqueues a job with these arguments whenever
// a time of the cron expression comes, once over all processes of the application. The expression has
// five fields, minute, hour, day of the month, month and day of the week, or is one like
// @daily. zone is the IANA name of a time zone, as Europe/Berlin; "" is UTC.
//
//	Schedules: []tower.Schedule{
//		tower.Every("30 2 * * *", "Europe/Berlin", jobs.Report, jobs.ReportArgs{}, tower.RunOnce),
//	}
//
// When the clock is put forward over a time, that time comes at once. When the clock
// is put back, a time that it shows twice comes once, at the first. Only expressions whose hours
// begin with * come as often as the clock shows their times.
func Every[Args any](cron, zone string, job *Job[Args], args Args, missed Missed, options ...JobOption) Schedule {
	s := Schedule{schedule: jobs.Schedule{Job: job.name, Missed: string(missed), Options: job.options}}
	for _, option := range options {
		option.set(&s.schedule.Options)
	}
	fail := func(err error) { s.err = errors.Join(s.err, err) }
	location, known := time.UTC, true
	if zone != "" {
		if location, known = form.LoadZone(zone); !known {
			fail(fmt.Errorf("there is no time zone %q; it has an IANA name, as Europe/Berlin", zone))
			return s
		}
	}
	var err error
	if s.schedule.Cron, err = jobs.ParseCron(cron, location); err != nil {
		fail(err)
	}
	if s.schedule.Args, err = json.Marshal(args); err != nil {
		fail(fmt.Errorf("encode the arguments: %w", err))
	}
	if missed != RunOnce && missed != Skip && missed != RunEach {
		fail(fmt.Errorf("%q is not what a schedule does with times that it missed: RunOnce, Skip or RunEach", missed))
	}
	fail(s.schedule.Options.Check())
	return s
}

// Schedules is the model of the schedules of an application, which has it as soon as [Config]
// lists Schedules. Its records say when each comes next.
var Schedules = newSchedules()

func newSchedules() *Model[ScheduleRecord] {
	registerHeader()
	return NewModel[ScheduleRecord]("tower_schedules")
}

// A ScheduleRecord is the record of a schedule.
type ScheduleRecord struct {
	Record
	Key    string     `json:"key" tower:"unique"`
	Job    string     `json:"job"` // the name
	Cron   string     `json:"cron"`
	Zone   string     `json:"zone"`
	NextAt time.Time  `json:"nextAt"`
	LastAt *time.Time `json:"lastAt"`
}

// calendar is how the packages within read and write the records of schedules.
var calendar = &jobs.Calendar{
	Model: Schedules.model,
	Read: func(rec any) jobs.Due {
		r := rec.(*ScheduleRecord)
		return jobs.Due{ID: r.ID, Key: r.Key, Job: r.Job, Cron: r.Cron, Zone: r.Zone, Next: r.NextAt, Last: r.LastAt}
	},
	Write: func(rec any, d *jobs.Due) {
		r := rec.(*ScheduleRecord)
		*r = ScheduleRecord{Record: r.Record, Key: d.Key, Job: d.Job, Cron: d.Cron, Zone: d.Zone, NextAt: d.Next, LastAt: d.Last}
	},
}
