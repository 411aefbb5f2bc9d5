package work

import (
	"context"
	"encoding/json"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	"github.com/towerkit/tower/towertest"
)

const (
	benchJobs    = 2000 // in a round
	benchWriters = 16
	benchWorkers = 10
)

// BenchmarkBesideRiver enqueues jobs that do nothing, each in a transaction of its own, and works them: in turn
// with tower and with River, in databases of one durable server.
func BenchmarkBesideRiver(b *testing.B) {
	program := filepath.Join(b.TempDir(), "river")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "testdata/river"
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	server := pgtest.Start(b)
	var tower, river rates
	for b.Loop() {
		river.add(b, runRiver(b, program, server.Database(b)))
		tower.add(b, runTower(b, server.Database(b)))
	}
	for name, r := range map[string]rates{"tower": tower, "river": river} {
		b.ReportMetric(r.Enqueued/float64(b.N), name+"-enqueued/s")
		b.ReportMetric(r.Worked/float64(b.N), name+"-worked/s")
	}
}

// rates are jobs in a second.
type rates struct{ Enqueued, Worked float64 }

func (r *rates) add(b *testing.B, o rates) {
	b.Logf("%+v", o)
	r.Enqueued += o.Enqueued
	r.Worked += o.Worked
}

func runRiver(b *testing.B, program, address string) (r rates) {
	out, err := exec.Command(program, address, strconv.Itoa(benchJobs), strconv.Itoa(benchWriters), strconv.Itoa(benchWorkers)).Output()
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		b.Fatal(err)
	}
	return r
}

func runTower(b *testing.B, address string) (r rates) {
	b.Setenv("TOWER_DB", address)
	b.Setenv("TOWER_FOLDER", b.TempDir())
	b.Setenv("TOWER_CONSOLE", "off")
	var done atomic.Int64
	all := make(chan struct{})
	nothing := tower.NewJob[string]("nothing")
	c := config()
	c.Env, c.Log = "development", slog.New(slog.DiscardHandler)
	c.Jobs = []tower.Work{nothing.Do(func(context.Context, *tower.App, string) error {
		if done.Add(1) == benchJobs {
			close(all)
		}
		return nil
	})}
	b.Setenv("TOWER_WORKERS", "off")
	app, end := towertest.Serve(b, c)
	began := time.Now()
	var writing sync.WaitGroup
	for i := range benchWriters {
		writing.Go(func() {
			for n := i; n < benchJobs; n += benchWriters {
				if _, err := nothing.Enqueue(b.Context(), app, strconv.Itoa(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	r.Enqueued = benchJobs / time.Since(began).Seconds()
	end()

	b.Setenv("TOWER_WORKERS", strconv.Itoa(benchWorkers))
	began = time.Now()
	_, end = towertest.Serve(b, c)
	<-all
	end() // what has been done is stored
	r.Worked = benchJobs / time.Since(began).Seconds()
	return r
}
