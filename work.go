package tower

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/mail"
	"github.com/towerkit/tower/internal/server"
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
	location := time.UTC
	if zone != "" {
		var known bool
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

// work is what an application's workers do: what [Config] lists, and what tower does for it.
type work struct {
	jobs      []Work
	schedules []Schedule
	queues    map[string]int
}

// work returns the work of the application. Jobs of tower's own belong here: they are added
// if the application uses what needs them, and their names begin with ownPrefix.
func (c Config) work() *work {
	w := &work{slices.Clone(c.Jobs), slices.Clone(c.Schedules), map[string]int{}}
	maps.Copy(w.queues, c.Queues)
	if c.hasFiles() {
		w.jobs, w.schedules = append(w.jobs, sweepFiles.Do(sweep)), append(w.schedules, everyNight)
	}
	if c.hasFiles() && files.Scale != nil {
		w.jobs = append(w.jobs, makeVariants.Do(makeAll))
		if _, set := w.queues[imageQueue]; !set {
			w.queues[imageQueue] = 1
		}
	}
	if len(c.Webhooks) > 0 {
		w.jobs = append(w.jobs, sending(c.Webhooks))
	}
	if mail.Installed != nil {
		w.jobs = append(w.jobs, sendMail)
	}
	return w
}

// ownPrefix begins the names of tower's own jobs.
const ownPrefix = "tower_"

// workers returns the workers of the application's jobs, nil if it has none, and adds the models
// of jobs and schedules.
func (w *work) workers(out *server.Config) (*jobs.Config, error) {
	if len(w.jobs) == 0 {
		if len(w.schedules) > 0 {
			return nil, errors.New("Config.Schedules needs Config.Jobs, which do what is scheduled")
		}
		return nil, nil
	}
	addOwn(out, Jobs)
	c := &jobs.Config{Table: jobTable, Handlers: map[string]jobs.Handler{}, Queues: w.queues}
	for _, work := range w.jobs {
		if _, twice := c.Handlers[work.name]; twice {
			return nil, fmt.Errorf("Config.Jobs: the job %q is there twice", work.name)
		}
		c.Handlers[work.name] = nil // until New has made the application
	}
	for _, s := range w.schedules {
		if s.err != nil {
			return nil, fmt.Errorf("Config.Schedules: the job %q: %w", s.schedule.Job, s.err)
		}
		c.Schedules = append(c.Schedules, s.schedule)
		c.Calendar = calendar
	}
	if c.Calendar != nil {
		addOwn(out, Schedules)
	}
	if err := c.CheckSchedules(); err != nil {
		return nil, fmt.Errorf("Config.Schedules: %w", err)
	}
	for queue, most := range c.Queues {
		if most < 1 {
			return nil, fmt.Errorf("Config.Queues: at most %d jobs of the queue %q run at once; set at least 1", most, queue)
		}
	}
	return c, nil
}

// addOwn adds a model of tower's own to those of the application.
func addOwn(out *server.Config, own AnyModel) {
	if m := own.erased(); !slices.Contains(out.Models, m) {
		out.Models = append(out.Models, m)
		out.Rules[m], out.Can[m] = own.rule, own.permit
	}
}

// workersFrom returns how many jobs run at once.
func workersFrom(text, env string) (int, error) {
	switch {
	case text == "" && env == "test":
		return 0, nil
	case text == "":
		return jobs.DefaultWorkers, nil
	case text == "off":
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > jobs.MostWorkers {
		return 0, fmt.Errorf("TOWER_WORKERS is %q; it is off, or a number from 0 to %d", text, jobs.MostWorkers)
	}
	return n, nil
}
