package jobs_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// BenchmarkEnqueue compares jobs with plain records of a similar size and two indexes, by 16
// writers, in alternating rounds.
func BenchmarkEnqueue(b *testing.B) {
	app := towertest.Open(b, benchConfig(Pack.Do(create)))
	round := func(write func() error) time.Duration {
		start := time.Now()
		var writers sync.WaitGroup
		for range 16 {
			writers.Go(func() {
				for range 25 {
					if err := write(); err != nil {
						b.Error(err)
					}
				}
			})
		}
		writers.Wait()
		return time.Since(start)
	}
	var enqueued, created time.Duration
	for b.Loop() {
		created += round(func() error {
			return Plains.Create(b.Context(), app, &Plain{Kind: "plain", Text: "a text of about the size of a job's record, so that both write as much"})
		})
		enqueued += round(func() error {
			_, err := Pack.Enqueue(b.Context(), app, pack{"a"})
			return err
		})
	}
	b.ReportMetric(float64(created)/float64(enqueued), "of-create")
	b.ReportMetric(float64(b.N)*16*25/enqueued.Seconds(), "enqueued/s")
}

type Plain struct {
	tower.Record
	Kind string `json:"kind" tower:"index"`
	Text string `json:"text"`
}

var Plains = tower.NewModel[Plain]("plains")

func benchConfig(work ...tower.Work) tower.Config {
	c := config(work...)
	c.Models = append(c.Models, Plains)
	return c
}

// TestStart measures how soon a job starts while others wait: TOWER_TEST_JOBS of them, a thousand by default.
func TestStart(t *testing.T) {
	waiting := 1000
	if n, err := strconv.Atoi(os.Getenv("TOWER_TEST_JOBS")); err == nil {
		waiting = n
	}
	t.Setenv("TOWER_WORKERS", "4")
	started := make(chan time.Time, 1)
	app := towertest.Open(t, config(Pack.Do(func(context.Context, *tower.App, pack) error {
		started <- time.Now()
		return nil
	})))
	begin := time.Now()
	for left := waiting; left > 0; left -= min(left, 5000) {
		if err := app.Transaction(t.Context(), func(tx *tower.Tx) error {
			for n := range min(left, 5000) {
				if _, err := Pack.Enqueue(t.Context(), tx, pack{fmt.Sprint(n)}, tower.Delay(time.Hour+time.Duration(n)*time.Second)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d jobs wait, enqueued in %s", waiting, time.Since(begin).Round(time.Millisecond))
	for _, how := range []struct {
		name  string
		delay time.Duration
	}{{"at once", 0}, {"after 20 ms", 20 * time.Millisecond}} {
		var late []time.Duration
		for range 51 {
			due := time.Now().Add(how.delay)
			enqueue(t, app, "now", tower.Delay(how.delay))
			if how.delay == 0 {
				due = time.Now() // it is committed
			}
			late = append(late, (<-started).Sub(due))
		}
		slices.Sort(late)
		t.Logf("due %s: starts %s after (median), %s at most", how.name, late[len(late)/2], late[len(late)-1])
	}
}
