package jobs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/towertest"
)

// TestSchedulesOverAChangeOfSummerTime lets 200 schedules come in the night in which Berlin puts the clock
// forward, or in that in which it puts it back, and compares when their jobs have run with
// their expressions.
func TestSchedulesOverAChangeOfSummerTime(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	zones := []string{"Europe/Berlin", "Europe/Berlin", "America/New_York", "Europe/London", ""}
	ran := map[string][]time.Time{}
	c := config(Pack.Do(func(ctx context.Context, _ *tower.App, in pack) error {
		ran[in.Name] = append(ran[in.Name], tower.RunOf(ctx).ScheduledAt())
		return nil
	}))
	declared := map[string]jobs.Cron{}
	for len(declared) < 40 {
		hour := []string{fmt.Sprint(random.IntN(4)), "*", "*/2", "1-3", "2,3"}[random.IntN(5)]
		expression, zone := fmt.Sprintf("%d %s * * *", random.IntN(60), hour), zones[random.IntN(len(zones))]
		name := expression + " " + zone
		if _, twice := declared[name]; twice {
			continue
		}
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if declared[name], err = jobs.ParseCron(expression, location); err != nil {
			t.Fatal(err)
		}
		c.Schedules = append(c.Schedules, tower.Every(expression, zone, Pack, pack{name}, tower.RunOnce))
	}
	app := towertest.Open(t, c)
	start := []time.Time{time.Date(2027, 3, 27, 23, 0, 0, 0, time.UTC), time.Date(2027, 10, 30, 23, 0, 0, 0, time.UTC)}[random.IntN(2)]
	app.Advance(start.Sub(app.Now()))
	app.Jobs().Run(t) // what was missed before
	start = app.Now()
	clear(ran)
	end := start.Add(4 * time.Hour)
	for next := start; !next.After(end); next = comes(t, app) {
		app.Advance(max(next.Sub(app.Now()), 0))
		app.Jobs().Run(t)
	}
	for name, cron := range declared {
		var want []time.Time
		for at := start; ; {
			var err error
			if at, err = cron.Next(at); err != nil {
				t.Fatal(err)
			}
			if at.After(end) {
				break
			}
			want = append(want, at)
		}
		got := slices.DeleteFunc(ran[name], func(at time.Time) bool { return !at.After(start) || at.After(end) })
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s: ran at %v, not at %v", name, got, want)
		}
	}
}

// comes returns when the next schedule does.
func comes(t *testing.T, app *towertest.App) time.Time {
	next, err := tower.Schedules.All().Asc(&tower.Schedules.Fields.NextAt).First(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	return next.NextAt
}
