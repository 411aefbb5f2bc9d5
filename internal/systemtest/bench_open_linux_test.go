package systemtest

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/towerkit/tower"
)

// BenchmarkOpen is an application that is opened on a file of a million records
// until it has answered its first request, and beside it one on an empty file.
// TOWER_BENCH_RECORDS says how many there are instead.
func BenchmarkOpen(b *testing.B) {
	n := number(b, "TOWER_BENCH_RECORDS", 1_000_000, 2000)
	folder := b.TempDir()
	full, empty := filepath.Join(folder, "full.db"), filepath.Join(folder, "empty.db")
	app, end := serveNotes(b, full)
	for made := 0; made < n; {
		if err := app.Transaction(b.Context(), func(tx *tower.Tx) error {
			for range min(20_000, n-made) {
				if err := Notes.Create(b.Context(), tx, &Note{Topic: fmt.Sprint("topic", made%1000), Text: noteText}); err != nil {
					return err
				}
				made++
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	end()
	open := func(path string) time.Duration {
		start := time.Now()
		app, end := serveNotes(b, path)
		defer end()
		response, err := http.Get(app.URL + "/notes/newest")
		if err != nil {
			b.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			b.Fatal(response.Status)
		}
		return time.Since(start)
	}
	b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
		var ofMany, ofNone []time.Duration
		for b.Loop() {
			ofMany, ofNone = append(ofMany, open(full)), append(ofNone, open(empty))
		}
		b.ReportMetric(ms(median(ofMany)), "ms/open")
		b.ReportMetric(ms(median(ofNone)), "ms/empty")
		b.ReportMetric(ms(median(ofMany)-median(ofNone)), "ms-more")
		b.ReportMetric(0, "ns/op")
	})
}
