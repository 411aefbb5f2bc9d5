package jobs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

type Parcel struct {
	tower.Record
	Name string `json:"name"`
}

var Parcels = tower.NewModel[Parcel]("parcels")

type pack struct{ Name string }

var Pack = tower.NewJob[pack]("pack")

func config(work ...tower.Work) tower.Config {
	return tower.Config{
		Name: "parcels", Models: []tower.AnyModel{Parcels}, Jobs: work,
		Routes: tower.NewRouter(func(context.Context, *tower.Connection) (struct{}, error) { return struct{}{}, nil }),
	}
}

func enqueue(t *testing.T, db tower.DB, name string, options ...tower.JobOption) tower.ID {
	t.Helper()
	id, err := Pack.Enqueue(t.Context(), db, pack{name}, options...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func names(t *testing.T, app *towertest.App) string {
	t.Helper()
	all, err := Parcels.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

// create creates a parcel in the transaction that completes the job.
func create(ctx context.Context, app *tower.App, in pack) error {
	return app.Transaction(ctx, func(tx *tower.Tx) error {
		if err := Parcels.Create(ctx, tx, &Parcel{Name: in.Name}); err != nil {
			return err
		}
		return tower.RunOf(ctx).Complete(tx, map[string]int{"parcels": 1})
	})
}

func TestJobIsEnqueuedWithItsCauseOrNotAtAll(t *testing.T) {
	app := towertest.Open(t, config(Pack.Do(create)))
	refused := errors.New("refused")
	err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
		enqueue(t, tx, "never")
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	id := enqueue(t, app, "a")
	if job := app.Jobs().Find(t, id); job.State != "waiting" || job.Queue != "default" || string(job.Args) != `{"Name":"a"}` {
		t.Errorf("%+v", job)
	}
	if ran := app.Jobs().Run(t); ran != 1 || names(t, app) != "a" {
		t.Errorf("%d ran, made %q", ran, names(t, app))
	}
	if job := app.Jobs().Find(t, id); job.State != "done" || job.FinishedAt == nil || string(job.Result) != `{"parcels":1}` || job.Attempt != 1 {
		t.Errorf("%+v", job)
	}
	app.Advance(8 * 24 * time.Hour)
	app.Jobs().Run(t)
	if _, err := tower.Jobs.Find(t.Context(), app, id); err == nil {
		t.Error("the job is kept for ever")
	}
}

func TestFailuresAreTriedAgainAndThenDead(t *testing.T) {
	failures := 0
	app := towertest.Open(t, config(Pack.Do(func(context.Context, *tower.App, pack) error {
		failures++
		if failures == 2 {
			panic("broken")
		}
		return errors.New("no paper")
	})))
	id := enqueue(t, app, "a", tower.MaxAttempts(3))
	for attempt, reason := range []string{"no paper", "panic: broken", "no paper"} {
		if ran := app.Jobs().Run(t); ran != 1 {
			t.Fatalf("try %d: %d ran", attempt+1, ran)
		}
		job := app.Jobs().Find(t, id)
		state := "waiting"
		if attempt == 2 {
			state = "dead"
		}
		if job.State != state || job.Error != reason || job.Attempt != attempt+1 {
			t.Errorf("after try %d: %+v", attempt+1, job)
		}
		if ran := app.Jobs().Run(t); ran != 0 {
			t.Errorf("after try %d, %d ran without a wait", attempt+1, ran)
		}
		app.Advance(time.Minute)
	}
	if err := tower.RetryJob(t.Context(), app, id); err != nil {
		t.Fatal(err)
	}
	if ran := app.Jobs().Run(t); ran != 1 || failures != 4 {
		t.Errorf("a dead job that is retried: %d ran", ran)
	}
}

func TestOrder(t *testing.T) {
	app := towertest.Open(t, config(Pack.Do(create)))
	enqueue(t, app, "later", tower.Delay(time.Hour))
	enqueue(t, app, "first")
	enqueue(t, app, "low", tower.Priority(4))
	enqueue(t, app, "second", tower.Queue("other"))
	enqueue(t, app, "high", tower.Priority(1))
	if ran := app.Jobs().Run(t); ran != 4 || names(t, app) != "high first second low" {
		t.Errorf("%d ran: %s", ran, names(t, app))
	}
	app.Advance(time.Hour + time.Second)
	if ran := app.Jobs().Run(t); ran != 1 {
		t.Errorf("%d ran after an hour", ran)
	}
}

func TestWorkersRunWhatIsDueAtOnce(t *testing.T) {
	t.Setenv("TOWER_WORKERS", "2")
	ran := make(chan string, 10)
	app := towertest.Open(t, config(Pack.Do(func(_ context.Context, _ *tower.App, in pack) error {
		ran <- in.Name
		return nil
	})))
	enqueue(t, app, "a")
	if got := <-ran; got != "a" {
		t.Error(got)
	}
	enqueue(t, app, "b", tower.Delay(50*time.Millisecond))
	if got := <-ran; got != "b" {
		t.Error(got)
	}
}
