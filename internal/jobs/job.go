package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store/typed"
)

// The states of a job.
const (
	Waiting   = "waiting"
	Running   = "running"
	Done      = "done"
	Dead      = "dead"
	Cancelled = "cancelled"
)

// The defaults of jobs and workers, and bounds.
const (
	DefaultQueue    = "default"
	DefaultPriority = 2
	DefaultAttempts = 20
	DefaultWorkers  = 10
	MostWorkers     = 1000
	maxPriority     = 4
	maxError        = 2000 // bytes of an error that are stored
)

// A Job is the content of a job's record.
type Job struct {
	ID          record.ID
	Name        string
	Queue       string
	State       string
	Priority    int // 1 is first
	Attempt     int // tries that have begun
	MaxAttempts int
	Due         time.Time
	Started     *time.Time
	Finished    *time.Time
	Scheduled   *time.Time // the time of the schedule that enqueued it; nil: none
	For         record.ID  // who it is for; "" if nobody in particular
	Steps       []string   // that have been done

	Progress, Total int64
	Note            string
	Result          json.RawMessage

	Args   json.RawMessage
	Saved  json.RawMessage
	Error  string // of the last try
	Slot   string
	Key    *string // name/key
	Worker string
	Chain  int    // how many reactions have led to it
	Trace  string // of what has enqueued it
}

// A Table is the model of an application's jobs.
type Table struct{ typed.Table[Job] }

// ErrLost is the error of a try that does not have its job any more: it was cancelled, or
// another worker has it.
var ErrLost = errors.New("the job has been cancelled or taken over")

var name = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// CheckName returns an error unless text can be the name of a job or a queue.
func CheckName(text string) error {
	if !name.MatchString(text) {
		return fmt.Errorf("%q is not a name: it has lower-case letters, digits, _ and -, at most 64, and begins with a letter", text)
	}
	return nil
}

// lane returns the beginning of the slots of jobs that wait in a queue with a priority.
func lane(queue string, priority int) string { return fmt.Sprintf("w/%s/%d/", queue, priority) }

// wait makes the job wait until a time.
func (j *Job) wait(until time.Time) {
	j.State, j.Due, j.Worker = Waiting, until.UTC().Truncate(time.Microsecond), ""
	j.Slot = lane(j.Queue, j.Priority) + typed.Stamp(j.Due)
}

// end makes the job done, dead or cancelled. Unless it is dead, it is kept until a time.
func (j *Job) end(state string, now, keep time.Time) {
	j.State, j.Finished, j.Key, j.Worker = state, &now, nil, ""
	j.Slot = "f/" + typed.Stamp(keep)
	if state == Dead {
		j.Slot = "d/" + typed.Stamp(now)
	}
}

// ended reports whether nothing will happen to the job any more by itself.
func (j *Job) ended() bool { return j.State == Done || j.State == Dead || j.State == Cancelled }
