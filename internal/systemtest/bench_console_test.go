package systemtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/towertest"
)

// BenchmarkConsole measures how long a console takes to create 5,000 records in one commit: as a list, and
// one by one in a transaction, where the console waits for each answer. The application creates as
// many records in its own transaction, for comparison.
func BenchmarkConsole(b *testing.B) {
	const records = 5000
	app, path := controlled(b, func() *towertest.App { return openNotes(b) })
	client, err := control.Attach(b.Context(), path, "console:bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	evaluator := script.New(client.Hello(), client, script.Options{})
	console := func(code string) func() error {
		return func() error { return evaluator.Run(b.Context(), script.Source{Text: code}, func(show.Value) {}) }
	}
	ways := []struct {
		name string
		run  func() error
		took []time.Duration
	}{
		{name: "application", run: func() error {
			return app.Transaction(b.Context(), func(tx *tower.Tx) error {
				for i := range records {
					if err := Notes.Create(context.Background(), tx, &Note{Topic: "console", Text: fmt.Sprint("n", i)}); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{name: "list", run: console(fmt.Sprintf(`Note.create(Array.from({length: %d}, (_, i) => ({topic: "console", text: "n" + i}))).length`, records))},
		{name: "each", run: console(fmt.Sprintf(`transaction(() => { for (let i = 0; i < %d; i++) Note.create({topic: "console", text: "n" + i}) })`, records))},
	}
	for b.Loop() {
		for i := range ways {
			start := time.Now()
			if err := ways[i].run(); err != nil {
				b.Fatal(err)
			}
			ways[i].took = append(ways[i].took, time.Since(start))
		}
	}
	for _, way := range ways {
		b.ReportMetric(ms(median(way.took)), "ms/"+way.name)
		b.ReportMetric(float64(median(way.took))/float64(median(ways[0].took)), way.name+"ofapp")
	}
	b.ReportMetric(0, "ns/op")
}
