package tower

import (
	"encoding/json"
	"time"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/store/typed"
)

// Jobs is the model of the jobs of an application, which has it as soon as [Config] lists
// Jobs. A job's record can be found, followed and shown as any other, so its progress is
// live on a page. Change it by [CancelJob], [RetryJob] and [DropJob] only. Jobs that are done
// or cancelled are deleted after seven days; dead ones stay.
//
//	func (e *Exports) Mine(ctx context.Context, in tower.None) (tower.Scope[tower.JobRecord], error) {
//		job := tower.Jobs.Fields
//		return tower.Jobs.Where(tower.Is(&job.For, e.User.ID)).Desc(&job.CreatedAt), nil
//	}
var Jobs = newOwn[JobRecord]("tower_jobs")

// A JobRecord is the record of a job.
type JobRecord struct {
	Record
	Job         string          `json:"job"` // the name
	Queue       string          `json:"queue"`
	Priority    int             `json:"priority"`
	State       string          `json:"state" tower:"index"` // waiting, running, done, dead or cancelled
	Attempt     int             `json:"attempt"`             // tries that have begun
	MaxAttempts int             `json:"maxAttempts"`
	DueAt       time.Time       `json:"dueAt"`
	StartedAt   *time.Time      `json:"startedAt"`   // of the last try
	FinishedAt  *time.Time      `json:"finishedAt"`  // done, dead or cancelled
	ScheduledAt *time.Time      `json:"scheduledAt"` // the time of the [Schedule] that enqueued it
	For         ID              `json:"for" tower:"index,sparse"`
	Done        int64           `json:"done"` // of Total
	Total       int64           `json:"total"`
	Note        string          `json:"note"`
	Steps       []string        `json:"steps"` // that have been done
	Result      json.RawMessage `json:"result"`

	Args  json.RawMessage `json:"args" tower:"private"`
	Error string          `json:"error" tower:"private"` // of the last try that failed

	Saved  json.RawMessage `json:"saved" tower:"private"`
	Slot   string          `json:"slot" tower:"private,index"`
	Key    *string         `json:"key" tower:"private,unique,sparse"`
	Worker string          `json:"worker" tower:"private"`
	Chain  int             `json:"chain" tower:"private"`
	Trace  string          `json:"trace" tower:"private"`
}

// jobTable is how the packages within read and write the records of jobs.
var jobTable = &jobs.Table{Table: typed.Table[jobs.Job]{
	Model: Jobs.model,
	Read: func(rec any) jobs.Job {
		r := rec.(*JobRecord)
		return jobs.Job{ID: r.ID, Name: r.Job, Queue: r.Queue, State: r.State, Priority: r.Priority, Attempt: r.Attempt, MaxAttempts: r.MaxAttempts,
			Due: r.DueAt, Started: r.StartedAt, Finished: r.FinishedAt, Scheduled: r.ScheduledAt, For: r.For, Steps: r.Steps, Progress: r.Done, Total: r.Total, Note: r.Note, Result: r.Result,
			Args: r.Args, Saved: r.Saved, Error: r.Error, Slot: r.Slot, Key: r.Key, Worker: r.Worker, Chain: r.Chain, Trace: r.Trace}
	},
	Write: func(rec any, j *jobs.Job) {
		r := rec.(*JobRecord)
		*r = JobRecord{Record: r.Record, Job: j.Name, Queue: j.Queue, State: j.State, Priority: j.Priority, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts,
			DueAt: j.Due, StartedAt: j.Started, FinishedAt: j.Finished, ScheduledAt: j.Scheduled, For: j.For, Steps: j.Steps, Done: j.Progress, Total: j.Total, Note: j.Note, Result: j.Result,
			Args: j.Args, Saved: j.Saved, Error: j.Error, Slot: j.Slot, Key: j.Key, Worker: j.Worker, Chain: j.Chain, Trace: j.Trace}
	},
}}

// Schedules is the model of the schedules of an application, which has it as soon as [Config]
// lists Schedules. Its records say when each comes next.
var Schedules = newOwn[ScheduleRecord]("tower_schedules")

// A ScheduleRecord is the record of a schedule.
type ScheduleRecord struct {
	Record
	Key    string     `json:"key" tower:"unique"`
	Job    string     `json:"job"` // the name
	Cron   string     `json:"cron"`
	Zone   string     `json:"zone"`
	NextAt time.Time  `json:"nextAt" tower:"index"`
	LastAt *time.Time `json:"lastAt"`
}

// calendar is how the packages within read and write the records of schedules.
var calendar = &typed.Table[jobs.Due]{
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
