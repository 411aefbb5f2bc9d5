package towertest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
)

// A clock is the clock of an application's store in a test: it goes with the real one, and
// can be put forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Advance puts the clock of the application's store forward: that by which records have
// their times, and jobs are due. Open must have opened the application.
func (a *App) Advance(d time.Duration) { a.clock.ahead.Add(int64(d)) }

// Jobs are the jobs of an application in a test. In the environment "test" they wait until
// the test runs them, unless TOWER_WORKERS is set.
type Jobs struct{ app *App }

// Jobs returns the application's jobs.
func (a *App) Jobs() Jobs { return Jobs{a} }

// Run runs the jobs that are due, one after another, and those that they enqueue, until none
// is due, and returns how many tries that were. A try that fails waits, as it does elsewhere:
// [App.Advance] makes the next due. Run fails the test if a job cannot be taken.
func (j Jobs) Run(t testing.TB) int {
	t.Helper()
	engine := server.AppOf(j.app.App).Jobs()
	if engine == nil {
		t.Fatal("the application has no jobs: set Config.Jobs")
	}
	ran, err := engine.RunDue(t.Context())
	if err != nil {
		t.Fatalf("run jobs: %v", err)
	}
	return ran
}

// Find returns the job's record.
func (j Jobs) Find(t testing.TB, id tower.ID) *tower.JobRecord {
	t.Helper()
	job, err := tower.Jobs.Find(t.Context(), j.app, id)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// Now returns the time of the clock of the application's store: see [App.Advance].
func (a *App) Now() time.Time { return a.clock.now() }

// RunReactions runs the application's reactions to what has been committed, and to what they
// write themselves, and returns how many calls of their functions that were. In the
// environment "test" they wait for that, unless TOWER_WORKERS is set. One that fails waits, as it
// does elsewhere: [App.Advance] makes it due.
func (a *App) RunReactions(t testing.TB) int {
	t.Helper()
	engine := server.AppOf(a.App).Reactions()
	if engine == nil {
		t.Fatal("the application has no reactions: set Config.Reactions")
	}
	ran, err := engine.RunDue(t.Context())
	if err != nil {
		t.Fatalf("run reactions: %v", err)
	}
	return ran
}
