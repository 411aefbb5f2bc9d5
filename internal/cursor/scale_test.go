package cursor

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/query/querytest"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// The benchmarks in this file measure how cost grows with size. They run what they compare
// in turns and compare medians. They use a million records and cursors, unless
// TOWER_BENCH_RECORDS and TOWER_BENCH_CURSORS set other numbers. With -short they only
// check that they run.

func size(b *testing.B, variable string) int {
	text := os.Getenv(variable)
	switch {
	case text == "" && testing.Short():
		return 2000
	case text == "":
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("%s: %v", variable, err)
	}
	return n
}

// A memo is a record of about 300 bytes.
type memo struct {
	record.Record
	Owner string `json:"owner" tower:"index"`
	Text  string `json:"text"`
}

// There are as many owners of memos as there are windows; the first owner has a few memos
// more than the others.
const (
	windows   = 10_000
	ofTheOne  = 400
	perCommit = 20_000
)

var memoText = strings.Repeat("x", 150)

// openMemos opens a store of n memos, in a file that is made once for all benchmarks that
// use its name.
func openMemos(b *testing.B, name string, n int) (*store.Store, *record.Model) {
	memos, err := record.NewModel("memos", &memo{})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(filesFor(b), name+".db")
	_, missing := os.Stat(path)
	st, err := store.Open(path, store.Options{Models: []*record.Model{memos}, LogBytes: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { st.Close() })
	for made := 0; missing != nil && made < n; {
		if _, err := st.Update(b.Context(), "bench", func(tx *store.Tx) error {
			for range min(perCommit, n-made) {
				owner := max(made-ofTheOne, 0) % windows
				if _, err := tx.Create(memos, &memo{Owner: ownerOf(owner), Text: memoText}); err != nil {
					return err
				}
				made++
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return st, memos
}

var files string

func filesFor(b *testing.B) string {
	if files == "" {
		var err error
		if files, err = os.MkdirTemp("", "tower-bench-"); err != nil {
			b.Fatal(err)
		}
	}
	return files
}

func TestMain(m *testing.M) {
	code := m.Run()
	if files != "" {
		_ = os.RemoveAll(files)
	}
	os.Exit(code)
}

// newest returns the scope of the twenty newest memos.
func newest(memos *record.Model) query.Scope {
	return query.Scope{Model: memos, Order: []query.Order{{Field: memos.Field("createdAt"), Desc: true}}, Limit: 20}
}

func middle(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}

// A gallery is an engine with ten thousand open windows, each on the last twenty memos of
// an owner. The benchmark delivers the commits.
type gallery struct {
	*testing.B
	st     *store.Store
	memos  *record.Model
	engine *Engine
}

func newGallery(b *testing.B, file string, records, windows int) *gallery {
	g := &gallery{B: b}
	g.st, g.memos = openMemos(b, file, records)
	g.engine = NewEngine(g.st, &recorder{}, func(err error) { b.Error(err) })
	for i := range windows {
		if err := g.engine.Open(b.Context(), &namedHolder{name: i}, Spec{Scope: g.window(i)}, nil, func(Opened) {}); err != nil {
			b.Fatal(err)
		}
	}
	return g
}

func (g *gallery) window(owner int) query.Scope {
	return query.Scope{Model: g.memos, Limit: 20, Order: []query.Order{{Field: g.memos.Field("id"), Desc: true}},
		Where: query.Is(g.memos.Field("owner"), record.StringValue(ownerOf(owner)))}
}

// deliver makes a commit and returns how long the engine takes for it.
func (g *gallery) deliver(fn func(*store.Tx) error) time.Duration {
	g.Helper()
	c := querytest.Commit(g, g.st, fn)
	start := time.Now()
	g.engine.deliver(c)
	return time.Since(start)
}

// make creates memos of the first owner.
func (g *gallery) make(n int) time.Duration {
	return g.deliver(func(tx *store.Tx) error {
		for range n {
			if _, err := tx.Create(g.memos, &memo{Owner: ownerOf(0), Text: memoText}); err != nil {
				return err
			}
		}
		return nil
	})
}

// delete deletes the newest memos of the first owner.
func (g *gallery) delete(n int) time.Duration {
	last := g.window(0)
	last.Limit = n
	var images []*record.Image
	if err := g.st.View(g.Context(), func(snap *store.Snapshot) (err error) {
		images, err = query.Fetch(snap, last)
		return err
	}); err != nil {
		g.Fatal(err)
	}
	return g.deliver(func(tx *store.Tx) error {
		for _, img := range images {
			if err := tx.Delete(g.memos, img.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// touch makes a record enter a window and leave it, and returns the time of the slower
// step.
func (g *gallery) touch() time.Duration { return max(g.make(1), g.delete(1)) }

// refill deletes records until a window must be refilled, and returns how long the engine
// takes for that commit.
func (g *gallery) refill() time.Duration {
	l := list{scope: &query.Scope{Limit: 20}, spare: spare}
	kept := l.capacity()
	g.delete(kept - 20)
	took := g.delete(1)
	g.make(kept - 20 + 1)
	return took
}

// BenchmarkOneOf10kWindows changes one of ten thousand windows of twenty, over many records
// and, for comparison, over ten thousand: with a record that enters and leaves, and with
// one whose place must be refilled from the store.
func BenchmarkOneOf10kWindows(b *testing.B) {
	n := size(b, "TOWER_BENCH_RECORDS")
	open := min(n, windows)
	few, many := newGallery(b, "few", open, open), newGallery(b, "many", n, open)
	for name, do := range map[string]func(*gallery) time.Duration{"touch": (*gallery).touch, "refill": (*gallery).refill} {
		b.Run(fmt.Sprintf("records=%d/%s", n, name), func(b *testing.B) {
			var ofFew, ofMany []time.Duration
			for b.Loop() {
				ofFew, ofMany = append(ofFew, do(few)), append(ofMany, do(many))
			}
			b.ReportMetric(float64(middle(ofMany).Nanoseconds())/1000, "us/change")
			b.ReportMetric(float64(middle(ofMany))/float64(middle(ofFew)), "of10k")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A hall is an engine with many cursors, and a change that touches one of them.
type hall struct {
	engine *Engine
	size   int
	each   float64 // bytes for each cursor, with its holder's membership and the text of its value
	commit store.Commit
}

func newHall(b *testing.B, n int) *hall {
	empty := heapInUse()
	e, m := openEngine(b, n, equality)
	each := float64(heapInUse()-empty) / float64(n)
	img := querytest.ImageOf(b, m.Things, &querytest.Thing{Flag: true})
	return &hall{e, n, each, store.Commit{Seq: 1, Changes: []store.Change{{Op: store.Create, Model: m.Things, ID: img.ID, After: img}}}}
}

// heapInUse returns how many bytes are in use.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// match makes a thousand changes. Each touches one of the first among cursors. match
// returns how long they took. It writes to a record in place, which only this benchmark may
// do, so that the record is in the cache, as a record that was just written is.
func (h *hall) match(b *testing.B, among int) time.Duration {
	owners := make([]record.ID, 1000)
	for i := range owners {
		owners[i] = record.ID(ownerOf(rand.IntN(min(among, h.size))))
	}
	x := querytest.Decoded(h.commit.Changes[0].After)
	start := time.Now()
	for i := range owners {
		x.Owner = owners[i]
		if effects := h.engine.match(h.commit); len(effects) != 1 {
			b.Fatal(effects)
		}
	}
	return time.Since(start)
}

// BenchmarkMatchAmongManyCursors changes a record that one cursor holds, among all cursors
// and among a thousand: always one of the same hundred, and any of them, which is in no
// cache if there are many. It also reports the memory that each cursor takes.
func BenchmarkMatchAmongManyCursors(b *testing.B) {
	n := size(b, "TOWER_BENCH_CURSORS")
	many, few := newHall(b, n), newHall(b, 1000)
	for _, touched := range []int{100, n} {
		b.Run(fmt.Sprintf("cursors=%d/touched=%d", n, touched), func(b *testing.B) {
			var ofMany, ofFew []time.Duration
			for b.Loop() {
				ofMany, ofFew = append(ofMany, many.match(b, touched)), append(ofFew, few.match(b, touched))
			}
			b.ReportMetric(float64(middle(ofMany).Nanoseconds())/1000, "ns/change")
			b.ReportMetric(float64(middle(ofMany))/float64(middle(ofFew)), "of1k")
			b.ReportMetric(many.each, "B/cursor")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRegisterAmongManyCursors registers a cursor among many and ends it; it reads
// nothing.
func BenchmarkRegisterAmongManyCursors(b *testing.B) {
	n := size(b, "TOWER_BENCH_CURSORS")
	e, m := openEngine(b, n, equality)
	spec := Spec{Scope: query.Scope{Model: m.Things, Where: equality(m.Things, n)}}
	h := &namedHolder{}
	b.ReportAllocs()
	for b.Loop() {
		q := e.query(spec)
		e.attachHolder(h, nil, q.join(nil))
		e.Close(h)
	}
}

// BenchmarkFirstPage reads the twenty newest of many records and, for comparison, a range
// of twenty index keys and twenty records from bare bbolt, copied.
func BenchmarkFirstPage(b *testing.B) {
	n := size(b, "TOWER_BENCH_RECORDS")
	st, memos := openMemos(b, "many", n)
	bare := openBare(b, n)
	b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
		var ours, theirs []time.Duration
		timed := func(read func() int) time.Duration {
			start := time.Now()
			for range 1000 {
				if found := read(); found != 20 {
					b.Fatal(found)
				}
			}
			return time.Since(start)
		}
		for b.Loop() {
			ours = append(ours, timed(func() (found int) {
				if err := st.View(context.Background(), func(snap *store.Snapshot) error {
					page, err := query.Fetch(snap, newest(memos))
					found = len(page)
					return err
				}); err != nil {
					b.Fatal(err)
				}
				return found
			}))
			theirs = append(theirs, timed(func() int { return len(barePage(b, bare)) }))
		}
		b.ReportMetric(1000/middle(ours).Seconds(), "pages/s")
		b.ReportMetric(1000/middle(theirs).Seconds(), "bbolt/s")
		b.ReportMetric(float64(middle(theirs))/float64(middle(ours)), "ofbbolt")
		b.ReportMetric(0, "ns/op")
	})
}

var bareRecords, bareIndex = []byte("records"), []byte("index")

// openBare opens a bbolt file with as many records, and an index key for each.
func openBare(b *testing.B, n int) *bolt.DB {
	path := filepath.Join(filesFor(b), fmt.Sprintf("bare-%d.db", n))
	_, missing := os.Stat(path)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	value := bytes.Repeat([]byte{'x'}, 300)
	for made := 0; missing != nil && made < n; {
		if err := db.Update(func(tx *bolt.Tx) error {
			records, err := tx.CreateBucketIfNotExists(bareRecords)
			if err != nil {
				return err
			}
			index, err := tx.CreateBucketIfNotExists(bareIndex)
			for range min(perCommit, n-made) {
				id := []byte(record.NewID())
				if err == nil {
					err = records.Put(id, value)
				}
				if err == nil {
					err = index.Put(append(binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMicro())), id...), nil)
				}
				made++
			}
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	return db
}

// barePage returns copies of the newest records, which are valid after the transaction.
func barePage(b *testing.B, db *bolt.DB) [][]byte {
	page := make([][]byte, 0, 20)
	if err := db.View(func(tx *bolt.Tx) error {
		records, c := tx.Bucket(bareRecords), tx.Bucket(bareIndex).Cursor()
		for k, _ := c.Last(); k != nil && len(page) < 20; k, _ = c.Prev() {
			page = append(page, bytes.Clone(records.Get(k[8:])))
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	return page
}
