package store

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// bulkStore returns a store with n posts that were created in transactions of 20,000.
func bulkStore(b *testing.B, n int) *blog {
	s := &blog{t: b, users: mustModel(b, "users", &user{}), posts: mustModel(b, "posts", &post{}), path: filepath.Join(b.TempDir(), "bulk.db")}
	s.open(Options{})
	b.Cleanup(func() { _ = s.Close() })
	for left := n; left > 0; left -= 20_000 {
		s.do(func(tx *Tx) error {
			for i := range min(left, 20_000) {
				if _, err := tx.Create(s.posts, &post{Title: "a title of a post", Likes: i % 1000, Published: i%3 > 0}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return s
}

// BenchmarkAfterBulk measures durable creates by one writer right after a million records were loaded, in
// turns with creates beside a thousand records, and beside a million in a file that was compacted, which has as many
// levels of pages. TOWER_BENCH_RECORDS says how many are loaded instead.
func BenchmarkAfterBulk(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 2000
	}
	if text := os.Getenv("TOWER_BENCH_RECORDS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	sides := [...]*bulkSide{{name: "", blog: bulkStore(b, n)}, {name: "thousand", blog: bulkStore(b, 1000)}, {name: "compacted", blog: bulkStore(b, n)}}
	if _, err := sides[2].blog.Compact(context.Background(), func(int64, int64) {}); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		for k := range sides {
			sides[(i+k)%len(sides)].create(20)
		}
	}
	b.StopTimer()
	loaded := sides[0]
	b.ReportMetric(loaded.processor(), "cpu-µs")
	b.ReportMetric(loaded.percentile(0.5), "p50-µs")
	b.ReportMetric(loaded.percentile(0.99), "p99-µs")
	for _, than := range sides[1:] {
		b.ReportMetric(loaded.processor()/than.processor(), "cpu/"+than.name)
		b.ReportMetric(loaded.percentile(0.5)/than.percentile(0.5), "p50/"+than.name)
		b.ReportMetric(loaded.percentile(0.99)/than.percentile(0.99), "p99/"+than.name)
	}
	info, err := os.Stat(loaded.blog.path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
	b.ReportMetric(0, "ns/op")
}

// A bulkSide is a store of the benchmark, and how long its creates took.
type bulkSide struct {
	name string
	blog *blog
	took []time.Duration
	used time.Duration // of the processor
}

func (s *bulkSide) create(n int) {
	before := s.usage()
	for range n {
		start := time.Now()
		s.blog.write("a title of a post", 1)
		s.took = append(s.took, time.Since(start))
	}
	s.used += s.usage() - before
}

func (s *bulkSide) usage() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		s.blog.t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// processor returns the processor time of a create, in microseconds.
func (s *bulkSide) processor() float64 { return s.used.Seconds() / float64(len(s.took)) * 1e6 }

// percentile returns the time that this part of the creates stayed below, in microseconds.
func (s *bulkSide) percentile(part float64) float64 {
	slices.Sort(s.took)
	return s.took[int(float64(len(s.took)-1)*part)].Seconds() * 1e6
}
