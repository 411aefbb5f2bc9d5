package systemtest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/towerkit/tower"
)

// BenchmarkCreates is durable creates by clients over HTTP, with what an action does
// for each, beside a bare bbolt that commits in groups: behind a handler of net/http
// that only puts what it is sent, and by itself. The microseconds are the processor time
// of the server for one.
func BenchmarkCreates(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { benchmarkCreates(b, writers) })
	}
}

func benchmarkCreates(b *testing.B, writers int) {
	step := number(b, "TOWER_BENCH_CREATES", 32, 2) * (writers + 1)
	app := openNotes(b)
	put := openBolt(b)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		put([]byte(tower.NewID()), body)
		w.WriteHeader(http.StatusCreated)
	}))
	b.Cleanup(bare.Close)
	note := noteOn("all")
	clients := startSwarm(b, orders{URL: app.URL + "/notes", Clients: writers, Post: note})
	others := startSwarm(b, orders{URL: bare.URL, Clients: writers, Post: note})
	b.Cleanup(bare.CloseClientConnections)
	posted := func(by *swarm, took, busy *[]time.Duration) {
		start := cpuTime()
		by.say("send %d", step)
		*took = append(*took, time.Duration(by.hear("sent")))
		*busy = append(*busy, cpuTime()-start)
	}
	var ours, theirs, alone, ourBusy, theirBusy []time.Duration
	for b.Loop() {
		posted(clients, &ours, &ourBusy)
		posted(others, &theirs, &theirBusy)
		start := time.Now()
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for range step / writers {
					put([]byte(tower.NewID()), []byte(note))
				}
			})
		}
		all.Wait()
		alone = append(alone, time.Since(start))
	}
	rate := func(took []time.Duration) float64 { return float64(step) / median(took).Seconds() }
	b.ReportMetric(rate(ours), "creates/s")
	b.ReportMetric(rate(theirs), "http+bbolt/s")
	b.ReportMetric(rate(alone), "bbolt/s")
	b.ReportMetric(rate(ours)/rate(theirs), "ofhttp+bbolt")
	b.ReportMetric(rate(ours)/rate(alone), "ofbbolt")
	micros := func(busy []time.Duration) float64 { return float64(median(busy).Microseconds()) / float64(step) }
	b.ReportMetric(micros(ourBusy), "µs/create")
	b.ReportMetric(micros(theirBusy), "µs/http+bbolt")
	b.ReportMetric(0, "ns/op")
}

// openBolt returns what writes a record and an index key to a bare bbolt, in one
// transaction with all that waits.
func openBolt(b *testing.B) (put func(id, value []byte)) {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	type job struct {
		id, value []byte
		done      chan struct{}
	}
	jobs := make(chan job, 1000)
	var writer sync.WaitGroup
	writer.Go(func() {
		for first := range jobs {
			group := []job{first}
			for range len(jobs) {
				group = append(group, <-jobs)
			}
			err := db.Update(func(tx *bolt.Tx) error {
				var failed error
				for name, pair := range map[string]func(job) ([]byte, []byte){
					"records": func(j job) ([]byte, []byte) { return j.id, j.value },
					"index":   func(j job) ([]byte, []byte) { return append([]byte("all"), j.id...), nil },
				} {
					bucket, err := tx.CreateBucketIfNotExists([]byte(name))
					for _, j := range group {
						if err == nil {
							err = bucket.Put(pair(j))
						}
					}
					failed = errors.Join(failed, err)
				}
				return failed
			})
			if err != nil {
				b.Error(err)
			}
			for _, j := range group {
				close(j.done)
			}
		}
	})
	b.Cleanup(func() {
		close(jobs)
		writer.Wait()
		db.Close()
	})
	return func(id, value []byte) {
		j := job{id, value, make(chan struct{})}
		jobs <- j
		<-j.done
	}
}
