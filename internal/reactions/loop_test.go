package reactions_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// loop is an application with a reaction that enqueues a job, which writes what the reaction reacts
// to, by way of another job.
func loop(options ...tower.JobOption) tower.Config {
	again := tower.NewJob[tower.ID]("again")
	relay := tower.NewJob[tower.ID]("relay")
	c := config(tower.On("chase", Orders.All(), tower.Enter|tower.Change, func(ctx context.Context, tx *tower.Tx, o *Order) error {
		_, err := relay.Enqueue(ctx, tx, o.ID, options...)
		return err
	}))
	c.Jobs = []tower.Work{
		relay.Do(func(ctx context.Context, app *tower.App, id tower.ID) error {
			return tower.RunOf(ctx).Step(ctx, app, "relay", func(tx *tower.Tx) error {
				_, err := again.Enqueue(ctx, tx, id)
				return err
			})
		}),
		again.Do(func(ctx context.Context, app *tower.App, id tower.ID) error {
			return app.Transaction(ctx, func(tx *tower.Tx) error {
				_, err := Orders.Update(ctx, tx, id, func(o *Order) error {
					o.Name += "."
					return nil
				})
				if err != nil {
					return err
				}
				return tower.RunOf(ctx).Complete(tx, nil)
			})
		}),
	}
	return c
}

// rounds runs reactions and jobs in turns until nothing is due, at most so often.
func rounds(t *testing.T, app *towertest.App, most int, pause time.Duration) (n int) {
	t.Helper()
	for n < most && app.RunReactions(t)+app.Jobs().Run(t) > 0 {
		n++
		app.Advance(pause)
	}
	return n
}

func TestReactionsAndJobsThatFeedEachOtherComeToAnEnd(t *testing.T) {
	app := towertest.Open(t, loop())
	create(t, app, "a", "new")
	if n := rounds(t, app, 100, 0); n == 100 {
		t.Fatal("they do not end")
	}
	all := waits(t, app)
	if len(all) != 1 || all[0].State != "failed" || !strings.Contains(all[0].Error, "16 reactions have caused each other") {
		t.Fatalf("%+v", all)
	}
	if err := tower.RetryReaction(t.Context(), app, all[0].ID); err != nil {
		t.Fatal(err)
	}
	if n := rounds(t, app, 100, 0); n < 10 {
		t.Errorf("retried, it goes on for %d rounds", n)
	}
	jobs, err := tower.Jobs.All().Count(t.Context(), app)
	if err != nil || jobs != 2*2*16 {
		t.Errorf("%d jobs, %v", jobs, err)
	}
}

// A reaction to what workers do with jobs may enqueue one.
func TestAReactionToJobsComesToAnEnd(t *testing.T) {
	echo := tower.NewJob[tower.None]("echo")
	c := config(tower.On("echo", tower.Jobs.Where(tower.Is(&tower.Jobs.Fields.State, "running")), tower.Enter, func(ctx context.Context, tx *tower.Tx, _ *tower.JobRecord) error {
		_, err := echo.Enqueue(ctx, tx, tower.None{})
		return err
	}))
	c.Jobs = []tower.Work{echo.Do(func(context.Context, *tower.App, tower.None) error { return nil })}
	app := towertest.Open(t, c)
	if _, err := echo.Enqueue(t.Context(), app, tower.None{}); err != nil {
		t.Fatal(err)
	}
	if n := rounds(t, app, 100, 0); n == 100 {
		t.Fatal("they do not end")
	}
	if all := waits(t, app); len(all) == 0 || !strings.Contains(all[0].Error, "16 reactions have caused each other") {
		t.Errorf("%+v", all)
	}
}

// A job whose delay is long begins a new chain: what comes back each day may be meant.
func TestALoopWithALongDelayGoesOn(t *testing.T) {
	app := towertest.Open(t, loop(tower.Delay(time.Hour)))
	create(t, app, "a", "new")
	if n := rounds(t, app, 40, 2*time.Hour); n < 40 {
		t.Errorf("it ends after %d rounds: %+v", n, waits(t, app))
	}
}
