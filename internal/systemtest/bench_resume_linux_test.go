package systemtest

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
)

// BenchmarkReturn is clients that come back after a restart, having missed a
// thousand commits, until the last of them is current again, beside as many that a
// bare melody accepts. Each client holds the twenty newest notes and those on a
// topic of its own, of which every fifth has a new one.
func BenchmarkReturn(b *testing.B) {
	const missed = 1000
	n := benchClients(b)
	path := filepath.Join(b.TempDir(), "notes.db")
	since := missNotes(b, path, n, missed)
	for _, controller := range []string{"notes", "ruled"} {
		b.Run(fmt.Sprintf("clients=%d/%s", n, controller), func(b *testing.B) {
			bare := openMelody(b, 0)
			back := startSwarm(b, orders{Clients: n, Come: true, Say: []string{`{"hello":1}`,
				fmt.Sprintf(`[{"id":1,"open":"%s.newest","since":%q},{"id":2,"open":"%s.on","in":{"topic":"topic%%d"},"since":%q}]`, controller, since, controller, since)}})
			arriving := startSwarm(b, orders{Clients: n, Come: true})
			var ours, theirs []time.Duration
			for b.Loop() {
				app, end := serveNotes(b, path)
				runtime.GC() // neither is to pay for what the other left
				ours = append(ours, back.come(app.URL+"/_tower/socket"))
				end()
				runtime.GC()
				theirs = append(theirs, arriving.come(bare.url))
				for range n {
					<-bare.gone
				}
			}
			b.ReportMetric(ms(median(ours)), "ms/return")
			b.ReportMetric(ms(median(theirs)), "ms/melody")
			b.ReportMetric(float64(median(ours))/float64(median(theirs)), "ofmelody")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// missNotes makes a store of notes on topics, and returns the position from which
// it is so many commits to the newest.
func missNotes(b *testing.B, path string, topics, missed int) (since string) {
	app, end := serveNotes(b, path)
	defer end()
	err := app.Transaction(b.Context(), func(tx *tower.Tx) error {
		for i := range 4 * topics {
			if err := Notes.Create(b.Context(), tx, &Note{Topic: fmt.Sprint("topic", i%topics), Text: noteText}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	hello := dial(b, app, nil).ask(`{"hello":1}`)
	_, epoch, _ := strings.Cut(hello, `"epoch":"`)
	epoch, _, _ = strings.Cut(epoch, `"`)
	since = wire.Position(epoch, app.Seq())
	var writers sync.WaitGroup
	for writer := range 50 {
		writers.Go(func() {
			for i := range missed / 50 {
				if err := Notes.Create(b.Context(), app, &Note{Topic: fmt.Sprint("topic", (writer*missed/50+i)*5%topics), Text: noteText}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	writers.Wait()
	return since
}
