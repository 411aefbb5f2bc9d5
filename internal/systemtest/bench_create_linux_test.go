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

// BenchmarkCreates is durable creates by clients over HTTP and over sockets, with what an action does
// for each, beside a bare bbolt that commits in groups: behind a handler of net/http
// that only puts what it is sent, and by itself. A client of HTTP waits for each answer, one of a socket
// has 16 calls on the way. The microseconds are the processor time of the server for one.
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
	ours := &poster{swarm: startSwarm(b, orders{URL: app.URL + "/notes", Clients: writers, Post: note})}
	sockets := &poster{swarm: startSwarm(b, orders{URL: socketURL(app.URL) + "/_tower/socket", Clients: writers, Say: []string{`{"hello":1}`},
		Call: fmt.Sprintf(`{"id":1,"call":"POST /notes","in":%s}`, note)})}
	theirs := &poster{swarm: startSwarm(b, orders{URL: bare.URL, Clients: writers, Post: note})}
	b.Cleanup(bare.CloseClientConnections)
	var alone []time.Duration
	for b.Loop() {
		for _, p := range []*poster{ours, theirs, sockets} {
			p.send(step)
		}
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
	b.ReportMetric(rate(ours.took), "creates/s")
	b.ReportMetric(rate(sockets.took), "sockets/s")
	b.ReportMetric(rate(theirs.took), "http+bbolt/s")
	b.ReportMetric(rate(alone), "bbolt/s")
	b.ReportMetric(rate(ours.took)/rate(theirs.took), "ofhttp+bbolt")
	b.ReportMetric(rate(ours.took)/rate(alone), "ofbbolt")
	b.ReportMetric(rate(sockets.took)/rate(alone), "socketsofbbolt")
	micros := func(busy []time.Duration) float64 { return float64(median(busy).Microseconds()) / float64(step) }
	b.ReportMetric(micros(ours.busy), "µs/create")
	b.ReportMetric(micros(sockets.busy), "µs/sockets")
	b.ReportMetric(micros(theirs.busy), "µs/http+bbolt")
	b.ReportMetric(0, "ns/op")
}

// A poster is a swarm that sends, and what each time took: in all, and of this process.
type poster struct {
	*swarm
	took, busy []time.Duration
}

func (p *poster) send(step int) {
	start := cpuTime()
	p.say("send %d", step)
	p.took = append(p.took, time.Duration(p.hear("sent")))
	p.busy = append(p.busy, cpuTime()-start)
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
