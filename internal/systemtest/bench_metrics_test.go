package systemtest

import (
	"context"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/towerkit/tower/towertest"
)

// BenchmarkMetrics compares commits that reach a client, with metrics and without: in
// turns, so that the load of the machine falls on both. "ratio" is the median of with to
// without.
func BenchmarkMetrics(b *testing.B) {
	serve := func(token string) *towertest.App {
		b.Setenv("TOWER_METRICS_TOKEN", token)
		config := sample()
		config.Env, config.Data, config.Log = "test", filepath.Join(b.TempDir(), "bench.db"), slog.New(slog.DiscardHandler)
		app, end := towertest.Serve(b, config)
		b.Cleanup(end)
		for range 8 {
			app.Connect(b, "").Open("posts.visible", nil)
		}
		return app
	}
	with, without := serve(metricsToken), serve("")
	const commits = 200 // in each turn, by 20 at once
	turn := func(app *towertest.App) time.Duration {
		began := time.Now()
		failed := make(chan error, 20)
		for range cap(failed) {
			go func() {
				var err error
				for i := 0; i < commits/cap(failed) && err == nil; i++ {
					err = Posts.Create(context.Background(), app, &Post{Title: "Hello"})
				}
				failed <- err
			}()
		}
		for range cap(failed) {
			if err := <-failed; err != nil {
				b.Fatal(err)
			}
		}
		if err := app.Wait(context.Background(), app.Seq()); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	var ratios []float64
	for b.Loop() {
		first, second := turn(without), turn(with)
		ratio := float64(second) / float64(first)
		third, fourth := turn(with), turn(without) // the other way round, so that no order counts
		ratios = append(ratios, math.Sqrt(ratio*float64(third)/float64(fourth)))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
}
