package control

import (
	"context"
	"errors"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// mostJobs is how many jobs a list has unless the request limits it.
const mostJobs = 50

// jobs answers a request about the application's jobs.
func (c *console) jobs(ctx context.Context, req *wire.ControlRequest) (any, error) {
	engine := c.app.Jobs()
	if engine == nil {
		if req.Do == wire.DoJobs {
			return noJobs(), nil
		}
		return nil, fault.Errorf(fault.NotFound, "the application has no jobs: Config.Jobs lists none")
	}
	switch req.Do {
	case wire.DoJob:
		return describeOneJob(ctx, engine, req.Key)
	case wire.DoChangeJob:
		return nil, c.changeJob(ctx, engine, req)
	case wire.DoRunJob:
		return c.runJob(ctx, engine, req.Name)
	default:
		return describeJobs(ctx, engine, req)
	}
}

func noJobs() wire.JobsInfo {
	return wire.JobsInfo{Queues: []wire.QueueInfo{}, Schedules: []wire.ScheduleInfo{}, Jobs: []wire.JobInfo{}}
}

// describeJobs lists queues, schedules and jobs.
func describeJobs(ctx context.Context, engine *jobs.Engine, req *wire.ControlRequest) (any, error) {
	info := noJobs()
	info.Workers = engine.Workers
	queues, err := engine.Tally(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		info.Queues = append(info.Queues, wire.QueueInfo{Name: q.Name, Most: q.Most, Waiting: q.Waiting, Running: q.Running, Dead: q.Dead, Ended: q.Ended, LateMs: q.Late.Milliseconds()})
	}
	schedules, err := engine.Comes(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range schedules {
		info.Schedules = append(info.Schedules, wire.ScheduleInfo{Job: s.Job, Cron: s.Cron, Zone: s.Zone, Next: s.Next, Last: s.Last})
	}
	limit := req.Limit
	if limit <= 0 {
		limit = mostJobs
	}
	all, err := engine.List(ctx, req.Name, limit)
	for i := range all {
		info.Jobs = append(info.Jobs, describeJob(&all[i]))
	}
	return info, err
}

func describeJob(j *jobs.Job) wire.JobInfo {
	return wire.JobInfo{ID: string(j.ID), Job: j.Name, Queue: j.Queue, State: j.State, Priority: j.Priority, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts,
		Due: j.Due, Started: j.Started, Finished: j.Finished, Done: j.Progress, Total: j.Total, Note: j.Note, Error: j.Error, Steps: j.Steps}
}

func describeOneJob(ctx context.Context, engine *jobs.Engine, id string) (any, error) {
	job, err := engine.Find(ctx, record.ID(id))
	if err != nil {
		return nil, noJob(id, err)
	}
	info := describeJob(&job)
	info.Args, info.Result = job.Args, job.Result
	info.Why, err = engine.Why(ctx, &job)
	return info, err
}

// changeJob retries, cancels or drops a job.
func (c *console) changeJob(ctx context.Context, engine *jobs.Engine, req *wire.ControlRequest) error {
	if req.Tx != 0 {
		return fault.Errorf(fault.BadRequest, "jobs are changed at once, outside of transactions")
	}
	table := engine.Table()
	change := map[string]func(*store.Tx, record.ID) error{"retry": table.Retry, "cancel": table.Cancel, "drop": table.Drop}[req.Name]
	if change == nil {
		return fault.Errorf(fault.BadRequest, "a job cannot be changed by %q: retry, cancel or drop it", req.Name)
	}
	commit, err := c.app.Store().Update(ctx, c.by, func(tx *store.Tx) error { return change(tx, record.ID(req.Key)) })
	if err != nil {
		return noJob(req.Key, err)
	}
	return c.app.Engine().Wait(ctx, commit.Seq)
}

// runJob enqueues the job of a schedule now, and returns its id.
func (c *console) runJob(ctx context.Context, engine *jobs.Engine, name string) (id record.ID, err error) {
	commit, err := c.app.Store().Update(ctx, c.by, func(tx *store.Tx) (err error) {
		id, err = engine.EnqueueNow(ctx, tx, name)
		return err
	})
	if errors.As(err, new(*jobs.UnscheduledError)) {
		return "", fault.Errorf(fault.NotFound, "%s", err)
	}
	if err != nil {
		return "", err
	}
	return id, c.app.Engine().Wait(ctx, commit.Seq)
}

// noJob returns err as a console is to read it.
func noJob(id string, err error) error {
	var refused *jobs.StateError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fault.Errorf(fault.NotFound, "there is no job %s", id)
	case errors.As(err, &refused):
		return fault.Errorf(fault.Conflict, "%s", refused)
	}
	return err
}
