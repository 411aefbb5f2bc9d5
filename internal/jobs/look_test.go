package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/towertest"
)

func engineOf(app *towertest.App) *jobs.Engine { return server.AppOf(app.App).Jobs() }

func TestWhy(t *testing.T) {
	app := towertest.Open(t, config(Pack.Do(func(context.Context, *tower.App, pack) error { return errors.New("no paper") })))
	expect := func(id tower.ID, texts ...string) {
		t.Helper()
		job, err := engineOf(app).Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		why, err := engineOf(app).Why(t.Context(), &job)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if !strings.Contains(why, text) {
				t.Errorf("%q is not in: %s", text, why)
			}
		}
	}
	due := enqueue(t, app, "due", tower.MaxAttempts(2))
	later := enqueue(t, app, "later", tower.Delay(time.Hour))
	other, err := tower.NewJob[pack]("of_another_build").Enqueue(t.Context(), app, pack{})
	if err != nil {
		t.Fatal(err)
	}
	expect(due, "it is due since", "this process runs no jobs")
	expect(later, "it is due in 1h0m0s")
	expect(other, `this build of the application has no job "of_another_build"`)
	app.Jobs().Run(t)
	expect(due, "it is due in", "the last try, 1 of 2, failed: no paper")
	app.Advance(time.Minute)
	app.Jobs().Run(t)
	expect(due, "it is dead", "its last try, 2 of 2, failed: no paper")
	if err := tower.CancelJob(t.Context(), app, later); err != nil {
		t.Fatal(err)
	}
	expect(later, "it is cancelled")
}

func TestWhyABusyQueueMakesJobsWait(t *testing.T) {
	t.Setenv("TOWER_WORKERS", "3")
	begun, end := make(chan struct{}), make(chan struct{})
	c := config(Pack.Do(func(context.Context, *tower.App, pack) error {
		begun <- struct{}{}
		<-end
		return nil
	}))
	c.Queues = map[string]int{"narrow": 1}
	app := towertest.Open(t, c)
	t.Cleanup(func() { close(end) })
	why := func(id tower.ID) string {
		job, err := engineOf(app).Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		why, err := engineOf(app).Why(t.Context(), &job)
		if err != nil {
			t.Fatal(err)
		}
		return why
	}
	runs := enqueue(t, app, "a", tower.Queue("narrow"))
	<-begun
	if why := why(runs); !strings.Contains(why, "in this process, try 1 of 20") {
		t.Error(why)
	}
	if why := why(enqueue(t, app, "b", tower.Queue("narrow"))); !strings.Contains(why, "its queue narrow already runs 1") {
		t.Error(why)
	}
	enqueue(t, app, "c")
	<-begun
	enqueue(t, app, "d")
	<-begun
	enqueue(t, app, "e")
	if why := why(enqueue(t, app, "f")); !strings.Contains(why, "all 3 workers are busy, and 1 of its queue come first") {
		t.Error(why)
	}
}

// TestQueuesAreCounted changes jobs at random, and compares what the engine has counted with
// the records.
func TestQueuesAreCounted(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	app := towertest.Open(t, config(Pack.Do(func(context.Context, *tower.App, pack) error {
		if random.IntN(2) == 0 {
			return errors.New("bad luck")
		}
		return nil
	})))
	var ids []tower.ID
	for range 60 {
		queue := []string{"a", "b"}[random.IntN(2)]
		ids = append(ids, enqueue(t, app, "x", tower.Queue(queue), tower.MaxAttempts(1), tower.Delay(time.Duration(random.IntN(3))*time.Hour)))
		id := ids[random.IntN(len(ids))]
		switch random.IntN(4) { // a refusal is as good
		case 0:
			_ = tower.CancelJob(t.Context(), app, id)
		case 1:
			_ = tower.RetryJob(t.Context(), app, id)
		case 2:
			_ = tower.DropJob(t.Context(), app, id)
		default:
			app.Jobs().Run(t)
		}
		want := counted(t, app)
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // it follows the feed
			queues, err := engineOf(app).Tally(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, q := range queues {
				if q.Waiting+q.Running+q.Dead+q.Ended > 0 {
					got += fmt.Sprintf("%s: %d %d %d %d\n", q.Name, q.Waiting, q.Running, q.Dead, q.Ended)
				}
			}
			if got == want {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("counted\n%swant\n%s", got, want)
			}
		}
	}
}

func counted(t *testing.T, app *towertest.App) (text string) {
	all, err := tower.Jobs.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{"a", "b"} {
		n := map[string]int{}
		for _, job := range all {
			if job.Queue == queue {
				n[job.State]++
			}
		}
		if len(n) > 0 {
			text += fmt.Sprintf("%s: %d %d %d %d\n", queue, n["waiting"], n["running"], n["dead"], n["done"]+n["cancelled"])
		}
	}
	return text
}

func TestList(t *testing.T) {
	app := towertest.Open(t, config(Pack.Do(create)))
	for i, queue := range []string{"a", "b", "a"} {
		enqueue(t, app, fmt.Sprint(i), tower.Queue(queue), tower.Priority(3-i), tower.Delay(time.Duration(i)*time.Minute))
	}
	done := enqueue(t, app, "done", tower.Queue("c"), tower.Priority(1))
	app.Jobs().Run(t)
	list := func(only string, limit int) (text string) {
		all, err := engineOf(app).List(t.Context(), only, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, job := range all {
			text += string(job.Args[len(`{"Name":"`)]) + job.Queue + " "
		}
		return text
	}
	for only, want := range map[string]string{"": "1b 2a ", "a": "2a 0a ", "waiting": "1b 2a ", "done": "dc 0a ", "pack": "1b 2a dc 0a ", "nothing": ""} {
		if got := list(only, 10); got != want {
			t.Errorf("%q: %q, not %q", only, got, want)
		}
	}
	if got := list("", 1); got != "1b " {
		t.Errorf("the first: %q", got)
	}
	if _, err := engineOf(app).Find(t.Context(), record.ID(done)); err != nil {
		t.Error(err)
	}
}
