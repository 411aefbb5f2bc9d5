package jobs_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// TestEachDueTimeRunsOnce lets a schedule come, and miss times, with each policy.
func TestEachDueTimeRunsOnce(t *testing.T) {
	for missed, want := range map[tower.Missed]int{tower.RunOnce: 1, tower.Skip: 0, tower.RunEach: 3} {
		t.Run(string(missed), func(t *testing.T) {
			var times []time.Time
			c := config(Pack.Do(func(ctx context.Context, _ *tower.App, _ pack) error {
				times = append(times, tower.RunOf(ctx).ScheduledAt())
				return nil
			}))
			c.Schedules = []tower.Schedule{tower.Every("0 3 * * *", "Europe/Berlin", Pack, pack{"nightly"}, missed)}
			app := towertest.Open(t, c)
			next := func() time.Time {
				all, err := tower.Schedules.All().Records(t.Context(), app)
				if err != nil || len(all) != 1 {
					t.Fatalf("%d schedules, %v", len(all), err)
				}
				return all[0].NextAt
			}
			first := next()
			if ran := app.Jobs().Run(t); ran != 0 || !first.After(app.Now()) {
				t.Fatalf("%d ran before %s", ran, first)
			}
			app.Advance(first.Sub(app.Now()) + 10*time.Second)
			if ran := app.Jobs().Run(t); ran != 1 || !times[0].Equal(first) {
				t.Fatalf("%d ran at %s: %v", ran, first, times)
			}
			if ran := app.Jobs().Run(t); ran != 0 {
				t.Fatalf("%d ran again", ran)
			}
			app.Advance(3*24*time.Hour + 12*time.Hour)
			if ran := app.Jobs().Run(t); ran != want {
				t.Errorf("%d ran for three missed times, not %d: %v", ran, want, times)
			}
			if !slices.IsSortedFunc(times, time.Time.Compare) || !next().After(app.Now()) {
				t.Errorf("%v, next %s", times, next())
			}
		})
	}
}

func TestSchedulesThatAreWrong(t *testing.T) {
	other := tower.NewJob[pack]("other")
	for what, s := range map[string][]tower.Schedule{
		"an expression": {tower.Every("61 * * * *", "", Pack, pack{}, tower.RunOnce)},
		"a zone":        {tower.Every("0 * * * *", "Europe/Nowhere", Pack, pack{}, tower.RunOnce)},
		"a policy":      {tower.Every("0 * * * *", "", Pack, pack{}, "never")},
		"no handler":    {tower.Every("0 * * * *", "", other, pack{}, tower.RunOnce)},
		"twice":         {tower.Every("0 * * * *", "", Pack, pack{}, tower.RunOnce), tower.Every("0 * * * *", "", Pack, pack{}, tower.Skip)},
	} {
		c := config(Pack.Do(create))
		c.Schedules = s
		if _, err := tower.New(c); err == nil {
			t.Errorf("%s: accepted", what)
		} else {
			t.Log(err)
		}
	}
}
