package tower

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
)

// A Job is a kind of work that happens later, once, with arguments of type Args, which are
// stored as JSON. It is made once, when the program starts, and is safe for concurrent use.
//
//	var SendReceipt = tower.NewJob[Receipt]("send_receipt", tower.Queue("mail"))
//
// An action enqueues a job in the transaction that causes it, so that there is no job
// without its cause, and no cause without its job:
//
//	err := c.Transaction(ctx, func(tx *tower.Tx) error {
//		if err := models.Orders.Create(ctx, tx, order); err != nil {
//			return err
//		}
//		_, err := jobs.SendReceipt.Enqueue(ctx, tx, jobs.Receipt{Order: order.ID})
//		return err
//	})
//
// [Config] lists what the application's workers do: see [Job.Do]. Each job is a record of
// [Jobs].
type Job[Args any] struct {
	name    string
	options jobs.Options
}

// NewJob declares the job with a name: lower-case letters, digits and _, beginning with a
// letter, and not with "tower_". The options are those of each Enqueue that does not set
// others. NewJob panics, as the program starts, if they are wrong.
func NewJob[Args any](name string, options ...JobOption) *Job[Args] {
	if strings.HasPrefix(name, ownPrefix) {
		panic(fmt.Sprintf("tower: the job %q: names that begin with %s are tower's own", name, ownPrefix))
	}
	return newJob[Args](name, options...)
}

func newJob[Args any](name string, options ...JobOption) *Job[Args] {
	j := &Job[Args]{name, jobs.Options{Queue: jobs.DefaultQueue, Priority: jobs.DefaultPriority, MaxAttempts: jobs.DefaultAttempts}}
	for _, option := range options {
		option.set(&j.options)
	}
	if err := errors.Join(jobs.CheckName(name), j.options.Check()); err != nil {
		panic(fmt.Sprintf("tower: the job %q: %v", name, err))
	}
	return j
}

// Name returns the name of the job.
func (j *Job[Args]) Name() string { return j.name }

// Enqueue creates a job and returns the id of its record. With a [Tx], it is part of that
// transaction; otherwise it is a transaction of its own. If there is a job with the same
// [Unique] key that waits or runs, Enqueue creates none and returns the id of that.
func (j *Job[Args]) Enqueue(ctx context.Context, db DB, args Args, options ...JobOption) (id ID, err error) {
	o := j.options
	for _, option := range options {
		option.set(&o)
	}
	text, err := json.Marshal(args)
	if err != nil {
		return "", fmt.Errorf("enqueue %s: encode its arguments: %w", j.name, err)
	}
	err = db.db().Transaction(ctx, func(tx *server.Tx) (err error) {
		o.Trace = tx.App.Traceparent(ctx)
		id, err = jobTable.Enqueue(ctx, tx.Tx, j.name, text, o)
		return err
	})
	return id, codedError(err)
}

// Do returns the work of an application's workers on the job, for [Config]:
//
//	Jobs: []tower.Work{jobs.SendReceipt.Do(sendReceipt)}
//
// A worker calls handler once the job is due. If handler returns nil, the job is done. If it
// returns an error or panics, it is called again later, up to [MaxAttempts] times in all,
// after about 1 s, 16 s, 81 s, 4 min and so on; then the job is dead, until somebody retries
// or drops it. After a [Permanent] error it is dead at once.
//
// A try may end halfway, as the process may, and the next begins anew. So what a handler
// writes, it writes in the steps of its [JobRun]: each takes effect once. What reaches
// outside, such as mail or a request, can happen again if the process ends just then.
//
// ctx ends when the job is cancelled, and when the application closes and handler has not
// returned after two seconds; then handler should return soon, and the job goes on later, without having lost a
// try. Commits with ctx have the author "job: NAME", and, if
// reactions have led to the job, how many.
func (j *Job[Args]) Do(handler func(ctx context.Context, app *App, args Args) error) Work {
	return Work{j.name, func(app *App) jobs.Handler {
		return func(ctx context.Context, text json.RawMessage) error {
			var args Args
			if err := json.Unmarshal(text, &args); err != nil {
				return fmt.Errorf("decode the arguments of the job: %w", err)
			}
			return handler(WithAuthor(ctx, jobs.Of(ctx).Author()), app, args)
		}
	}}
}

// Work is a job with its handler: see [Job.Do].
type Work struct {
	name string
	bind func(*App) jobs.Handler
}

// A JobOption says how a job is enqueued.
type JobOption struct{ set func(*jobs.Options) }

// Delay makes a job due after a time. Default: at once.
func Delay(d time.Duration) JobOption {
	return JobOption{func(o *jobs.Options) { o.Delay, o.At = d, time.Time{} }}
}

// At makes a job due at a time.
func At(t time.Time) JobOption {
	return JobOption{func(o *jobs.Options) { o.Delay, o.At = 0, t }}
}

// Unique gives a job a key: while a job of the same name with that key waits or runs, there
// is no second.
func Unique(key string) JobOption { return JobOption{func(o *jobs.Options) { o.Key = key }} }

// Priority decides which of the jobs that are due comes first: those with 1, and last those
// with 4. Default: 2.
func Priority(n int) JobOption { return JobOption{func(o *jobs.Options) { o.Priority = n }} }

// Queue puts a job into a queue, of which [Config].Queues may bound how many run at once.
// Default: the queue "default".
func Queue(name string) JobOption { return JobOption{func(o *jobs.Options) { o.Queue = name }} }

// MaxAttempts is how often a job is tried before it is dead. Default: 20, which takes about
// eight days.
func MaxAttempts(n int) JobOption { return JobOption{func(o *jobs.Options) { o.MaxAttempts = n }} }

// For says which record, usually a user, a job is for. It is the field For of the job's
// record, so that a cursor can show a user's jobs.
func For(id ID) JobOption { return JobOption{func(o *jobs.Options) { o.For = id }} }

// A JobRun is one try of a job. It is safe for concurrent use. If the job has been cancelled
// or dropped, or another process has taken it over, its methods return an error and change nothing.
type JobRun struct{ run *jobs.Run }

// RunOf returns the try of the job whose handler received the context. It panics with
// another context.
func RunOf(ctx context.Context) *JobRun {
	run := jobs.Of(ctx)
	if run == nil {
		panic("tower: RunOf needs the context of a job's handler")
	}
	return &JobRun{run}
}

// ID returns the id of the job's record.
func (r *JobRun) ID() ID { return r.run.Job.ID }

// Attempt returns which try this is, from 1.
func (r *JobRun) Attempt() int { return r.run.Job.Attempt }

// ScheduledAt returns the time of the [Schedule] that enqueued the job, zero if none has.
func (r *JobRun) ScheduledAt() time.Time {
	if r.run.Job.Scheduled == nil {
		return time.Time{}
	}
	return *r.run.Job.Scheduled
}

// Step runs fn in a transaction, which also notes that the step has been done. If it was done
// in a try before, Step does nothing. So what fn writes takes effect once, whatever happens
// to the process. It may call fn again after a lost race, as each transaction does.
func (r *JobRun) Step(ctx context.Context, db DB, name string, fn func(*Tx) error) error {
	return db.Transaction(ctx, func(tx *Tx) error {
		first, err := r.run.Step(tx.tx.Tx, name)
		if err != nil || !first {
			return err
		}
		return fn(tx)
	})
}

// Save stores a value as JSON in a transaction, in place of the one before: how far the job
// is, in the commit of what it has done so far.
//
//	err := app.Transaction(ctx, func(tx *tower.Tx) error {
//		… // the next hundred
//		return run.Save(tx, last)
//	})
func (r *JobRun) Save(tx *Tx, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("save the state of a job: %w", err)
	}
	return r.run.Save(tx.tx.Tx, text)
}

// Saved decodes what was saved last, in this try or one before, into what into points to. It
// returns false if nothing has been saved.
func (r *JobRun) Saved(ctx context.Context, into any) (bool, error) {
	text, err := r.run.Saved(ctx)
	if err != nil || len(text) == 0 || string(text) == "null" {
		return false, err
	}
	return true, json.Unmarshal(text, into)
}

// Complete makes the job done as part of a transaction, whose writes so take effect once. The
// result, nil for none, is stored as JSON in the job's record. The handler should return then.
func (r *JobRun) Complete(tx *Tx, result any) error {
	var text json.RawMessage
	if result != nil {
		var err error
		if text, err = json.Marshal(result); err != nil {
			return fmt.Errorf("encode the result of a job: %w", err)
		}
	}
	return r.run.Complete(tx.tx.Tx, text)
}

// Progress sets the fields Done, Total and Note of the job's record. It may be called often:
// it commits at most ten times a second.
func (r *JobRun) Progress(ctx context.Context, done, total int64, note string) error {
	return r.run.Progress(ctx, done, total, note)
}

// CancelJob ends a job that waits or runs. A try that runs commits nothing more in its steps,
// and its context ends. The error has [CodeConflict] if the job has ended.
func CancelJob(ctx context.Context, db DB, id ID) error {
	return changeJob(ctx, db, id, func(tx *store.Tx) error { return jobTable.Cancel(tx, id) })
}

// RetryJob makes a job due now: one that waits, or one that is dead or cancelled, whose tries
// are counted again. The steps that it has done stay done.
func RetryJob(ctx context.Context, db DB, id ID) error {
	return changeJob(ctx, db, id, func(tx *store.Tx) error { return jobTable.Retry(tx, id) })
}

// DropJob deletes a job that does not run.
func DropJob(ctx context.Context, db DB, id ID) error {
	return changeJob(ctx, db, id, func(tx *store.Tx) error { return jobTable.Drop(tx, id) })
}

func changeJob(ctx context.Context, db DB, id ID, change func(*store.Tx) error) error {
	err := db.db().Transaction(ctx, func(tx *server.Tx) error { return change(tx.Tx) })
	var refused *jobs.StateError
	if errors.As(err, &refused) {
		return Conflict(refused.Error())
	}
	return Jobs.coded(id, err)
}

// Permanent returns an error of a handler after which the job is not tried again: it is dead at
// once. It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &jobs.Permanent{Err: err}
}
