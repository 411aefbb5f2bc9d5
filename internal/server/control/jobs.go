package control

import (
	"context"
	"errors"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/reactions"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// mostJobs is how many jobs a list has unless the request limits it.
const mostJobs = 50

// describeJobs lists queues, schedules, reactions, jobs, and the events that wait.
func (c *console) describeJobs(ctx context.Context, req *wire.ControlRequest) (any, error) {
	info := &wire.JobsInfo{Queues: []wire.QueueInfo{}, Schedules: []wire.ScheduleInfo{}, Reactions: []wire.ReactionInfo{}, Jobs: []wire.JobInfo{}, Waiting: []wire.WaitingInfo{}}
	if config := c.app.Config().Jobs; config != nil {
		info.Workers = config.Workers
	}
	if config := c.app.Config().Reactions; config != nil && config.Run {
		info.Workers = max(info.Workers, 1)
	}
	limit := req.Limit
	if limit <= 0 {
		limit = mostJobs
	}
	if engine := c.app.Jobs(); engine != nil {
		if err := addJobs(ctx, engine, info, req.Name, limit); err != nil {
			return nil, err
		}
	}
	if engine := c.app.Reactions(); engine != nil {
		if err := addReactions(ctx, engine, info, req.Name, limit); err != nil {
			return nil, err
		}
	}
	return info, nil
}

func addJobs(ctx context.Context, engine *jobs.Engine, info *wire.JobsInfo, only string, limit int) error {
	queues, err := engine.Tally(ctx)
	if err != nil {
		return err
	}
	for _, q := range queues {
		info.Queues = append(info.Queues, wire.QueueInfo{Name: q.Name, Most: q.Most, Waiting: q.Waiting, Running: q.Running, Dead: q.Dead, Ended: q.Ended, LateMs: q.Late.Milliseconds()})
	}
	schedules, err := engine.Comes(ctx)
	if err != nil {
		return err
	}
	for _, s := range schedules {
		info.Schedules = append(info.Schedules, wire.ScheduleInfo{Job: s.Job, Cron: s.Cron, Zone: s.Zone, Next: s.Next, Last: s.Last})
	}
	all, err := engine.List(ctx, only, limit)
	for i := range all {
		info.Jobs = append(info.Jobs, describeJob(&all[i]))
	}
	return err
}

func addReactions(ctx context.Context, engine *reactions.Engine, info *wire.JobsInfo, only string, limit int) error {
	all, err := engine.List(ctx)
	if err != nil {
		return err
	}
	for _, r := range all {
		info.Reactions = append(info.Reactions, wire.ReactionInfo{Name: r.Name, Scope: r.Scope, On: r.On, Waiting: r.Waiting, Behind: r.Behind, Failed: r.Failed, Last: r.Last, Note: r.Note, Unknown: !r.Declared})
	}
	waiting, err := engine.Waiting(ctx, only, limit)
	for i := range waiting {
		info.Waiting = append(info.Waiting, describeWaiting(engine, &waiting[i]))
	}
	return err
}

func describeJob(j *jobs.Job) wire.JobInfo {
	return wire.JobInfo{ID: string(j.ID), Job: j.Name, Queue: j.Queue, State: j.State, Priority: j.Priority, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts,
		Due: j.Due, Started: j.Started, Finished: j.Finished, Done: j.Progress, Total: j.Total, Note: j.Note, Error: j.Error, Steps: j.Steps}
}

func describeWaiting(engine *reactions.Engine, it *reactions.Item) wire.WaitingInfo {
	info := wire.WaitingInfo{ID: string(it.ID), Reaction: it.Reaction, Event: it.Event, Model: it.Model, Of: string(it.Of), Seq: it.Seq, State: it.State,
		Attempt: it.Attempt, MaxAttempts: reactions.MaxAttempts, Due: it.Due, Error: it.Error}
	if image := engine.ImageOf(it); image != nil {
		info.Label = server.Label(image)
	}
	return info
}

// job answers a request about one job, or one event that waits.
func (c *console) job(ctx context.Context, req *wire.ControlRequest) (any, error) {
	switch req.Do {
	case wire.DoJob:
		return c.describeOneJob(ctx, req.Key)
	case wire.DoWaiting:
		return c.describeOneWaiting(ctx, req.Key)
	case wire.DoChangeJob:
		return nil, c.changeJob(ctx, req)
	default:
		return c.runJob(ctx, req.Name)
	}
}

func (c *console) describeOneJob(ctx context.Context, id string) (any, error) {
	engine := c.app.Jobs()
	if engine == nil {
		return nil, noJob(id, store.ErrNotFound)
	}
	job, err := engine.Find(ctx, record.ID(id))
	if err != nil {
		return nil, noJob(id, err)
	}
	info := describeJob(&job)
	info.Args, info.Result = job.Args, job.Result
	info.Why, err = engine.Why(ctx, &job)
	return info, err
}

func (c *console) describeOneWaiting(ctx context.Context, id string) (any, error) {
	engine := c.app.Reactions()
	if engine == nil {
		return nil, noJob(id, store.ErrNotFound)
	}
	it, err := engine.Find(ctx, record.ID(id))
	if err != nil {
		return nil, noJob(id, err)
	}
	info := describeWaiting(engine, &it)
	info.Fields = it.Image
	info.Why, err = engine.Why(ctx, &it)
	return info, err
}

// changeJob retries, cancels or drops a job, or an event that waits for its reaction.
func (c *console) changeJob(ctx context.Context, req *wire.ControlRequest) error {
	if req.Tx != 0 {
		return fault.Errorf(fault.BadRequest, "jobs are changed at once, outside of transactions")
	}
	if req.Name != "retry" && req.Name != "cancel" && req.Name != "drop" {
		return fault.Errorf(fault.BadRequest, "a job cannot be changed by %q: retry, cancel or drop it", req.Name)
	}
	var change func(*store.Tx, record.ID) error
	id, err := record.ID(req.Key), error(store.ErrNotFound)
	if engine := c.app.Jobs(); engine != nil {
		table := engine.Table()
		change = map[string]func(*store.Tx, record.ID) error{"retry": table.Retry, "cancel": table.Cancel, "drop": table.Drop}[req.Name]
		_, err = engine.Find(ctx, id)
	}
	if engine := c.app.Reactions(); engine != nil && errors.Is(err, store.ErrNotFound) {
		change = map[string]func(*store.Tx, record.ID) error{"retry": engine.Items.Retry, "drop": engine.Items.Drop}[req.Name]
		if _, err = engine.Find(ctx, id); err == nil && change == nil {
			return fault.Errorf(fault.Conflict, "an event that waits for a reaction is retried or dropped")
		}
	}
	if err != nil {
		return noJob(req.Key, err)
	}
	commit, err := c.app.Store().Update(ctx, c.by, func(tx *store.Tx) error { return change(tx, id) })
	if err != nil {
		return noJob(req.Key, err)
	}
	return c.app.Engine().Wait(ctx, commit.Seq)
}

// runJob enqueues the job of a schedule now, and returns its id.
func (c *console) runJob(ctx context.Context, name string) (id record.ID, err error) {
	engine := c.app.Jobs()
	if engine == nil {
		return "", fault.Errorf(fault.NotFound, "the application has no jobs: Config.Jobs lists none")
	}
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
	var behind reactions.BehindError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fault.Errorf(fault.NotFound, "no job, and no event that waits for a reaction, has the id %s", id)
	case errors.As(err, &refused):
		return fault.Errorf(fault.Conflict, "%s", refused)
	case errors.As(err, &behind):
		return fault.Errorf(fault.Conflict, "%s", behind)
	}
	return err
}
