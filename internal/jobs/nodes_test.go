package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store/storetest"
)

// node opens an application that shares a log with others, with a clock of its own.
func node(t *testing.T, log *storetest.Log, now func() time.Time, c tower.Config) *tower.App {
	t.Helper()
	c.Env, c.Data, c.Log = "test", filepath.Join(t.TempDir(), "replica.db"), slog.New(slog.DiscardHandler)
	app, err := tower.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server.ShareLog(server.AppOf(app), log.Node())
	server.SetPace(server.AppOf(app), server.Pace{Now: now})
	if err := app.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
	return app
}

// awaitEnd waits until all jobs have a state.
func awaitEnd(t *testing.T, db tower.DB, state string, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got, err := tower.Jobs.Where(tower.Is(&tower.Jobs.Fields.State, state)).Count(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if got == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs are %s, not %d", got, state, n)
		}
	}
}

// TestNodesTakeEachJobOnce lets three nodes do the jobs that all of them enqueue.
func TestNodesTakeEachJobOnce(t *testing.T) {
	t.Setenv("TOWER_WORKERS", "4")
	log := storetest.NewLog()
	var tries atomic.Int32
	c := config(Pack.Do(func(ctx context.Context, app *tower.App, in pack) error {
		tries.Add(1)
		return create(ctx, app, in)
	}))
	var apps []*tower.App
	for range 3 {
		apps = append(apps, node(t, log, time.Now, c))
	}
	const each = 40
	var enqueuing sync.WaitGroup
	for i, app := range apps {
		enqueuing.Go(func() {
			for n := range each {
				if _, err := Pack.Enqueue(t.Context(), app, pack{fmt.Sprint(i, "-", n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	enqueuing.Wait()
	awaitEnd(t, apps[0], "done", 3*each)
	if n := tries.Load(); n != 3*each {
		t.Errorf("%d tries of %d jobs", n, 3*each)
	}
	if n, err := Parcels.All().Count(t.Context(), apps[0]); err != nil || n != 3*each {
		t.Errorf("%d parcels of %d jobs, %v", n, 3*each, err)
	}
}

// TestANodeThatIsGoneLosesItsJobs has a node take a job and renew nothing, as its clock stands: another node,
// whose clock is past the lease, does the job, and the first commits nothing more.
func TestANodeThatIsGoneLosesItsJobs(t *testing.T) {
	t.Setenv("TOWER_WORKERS", "1")
	log := storetest.NewLog()
	begun, ended := make(chan struct{}), make(chan error)
	start := time.Now()
	gone := node(t, log, func() time.Time { return start }, config(Pack.Do(func(ctx context.Context, app *tower.App, in pack) error {
		begun <- struct{}{}
		<-ctx.Done() // it learns that it has lost the job
		err := app.Transaction(context.Background(), func(tx *tower.Tx) error {
			if err := Parcels.Create(ctx, tx, &Parcel{Name: "of the node that was gone"}); err != nil {
				return err
			}
			return tower.RunOf(ctx).Complete(tx, nil)
		})
		ended <- err
		return err
	})))
	id, err := Pack.Enqueue(t.Context(), gone, pack{"a"})
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	other := node(t, log, func() time.Time { return start.Add(jobs.Lease + time.Second) }, config(Pack.Do(create)))
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "taken over") {
		t.Errorf("the node that was gone commits: %v", err)
	}
	awaitEnd(t, other, "done", 1)
	job, err := tower.Jobs.Find(t.Context(), other, id)
	if err != nil || job.Attempt != 2 {
		t.Errorf("%+v, %v", job, err)
	}
	all, err := Parcels.All().Records(t.Context(), other)
	if err != nil || len(all) != 1 || all[0].Name != "a" {
		t.Errorf("%d parcels, %v", len(all), err)
	}
}
