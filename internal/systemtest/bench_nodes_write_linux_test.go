package systemtest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	"github.com/towerkit/tower/towertest"
)

// BenchmarkNodeWrites is 64 writers on one node, beside as many that wait for one connection,
// which sends what waits in one INSERT without a log or a lock, and beside one connection for
// each, which sends one INSERT for each row. The table is the same without what captures the
// writes of other programs.
func BenchmarkNodeWrites(b *testing.B) {
	const writers = 64
	step := number(b, "TOWER_BENCH_CREATES", 4000, writers)
	node, floor := openBare(b)
	grouped, single := floor.grouped(b), floor.single(b, writers)
	var ours, groups, singles []time.Duration
	for b.Loop() {
		ours = append(ours, createAtOnce(b, writers, step, node))
		groups = append(groups, atOnce(writers, step, func(int) { grouped() }))
		singles = append(singles, atOnce(writers, step/4, func(i int) { single(i) }))
	}
	rate := func(notes int, took []time.Duration) float64 { return float64(notes) / median(took).Seconds() }
	b.ReportMetric(rate(step, ours), "creates/s")
	b.ReportMetric(rate(step, groups), "grouped/s")
	b.ReportMetric(rate(step/4, singles), "single/s")
	b.ReportMetric(rate(step, ours)/rate(step, groups), "ofgrouped")
	b.ReportMetric(rate(step, ours)/rate(step/4, singles), "ofsingle")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkNodeWritesAlone is the time of one write when nobody else writes, beside an INSERT.
func BenchmarkNodeWritesAlone(b *testing.B) {
	step := number(b, "TOWER_BENCH_CREATES", 100, 2)
	node, floor := openBare(b)
	single := floor.single(b, 1)
	var ours, theirs []time.Duration
	for b.Loop() {
		for range step {
			start := time.Now()
			createAtOnce(b, 1, 1, node)
			ours = append(ours, time.Since(start))
			start = time.Now()
			single(0)
			theirs = append(theirs, time.Since(start))
		}
	}
	b.ReportMetric(ms(median(ours)), "ms/create")
	b.ReportMetric(ms(median(theirs)), "ms/insert")
	b.ReportMetric(median(ours).Seconds()/median(theirs).Seconds(), "ofinsert")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkForeignWrites is 64 other programs that insert into the table of the notes, each row in
// a transaction of its own, until a node has made commits of all, beside as many that insert into
// a table without what captures that.
func BenchmarkForeignWrites(b *testing.B) {
	const programs = 64
	step := number(b, "TOWER_BENCH_CREATES", 4000, programs)
	node, floor := openBare(b)
	captured, bare := bareTable{floor.address, "public.notes"}.single(b, programs), floor.single(b, programs)
	var ours, theirs []time.Duration
	for b.Loop() {
		feed := server.AppOf(node.App).Store().Feed(node.Seq())
		start := time.Now()
		atOnce(programs, step, func(i int) { captured(i) })
		for range step {
			if _, err := feed.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		ours = append(ours, time.Since(start))
		theirs = append(theirs, atOnce(programs, step, func(i int) { bare(i) }))
	}
	b.ReportMetric(float64(step)/median(ours).Seconds(), "inserts/s")
	b.ReportMetric(float64(step)/median(theirs).Seconds(), "bare/s")
	b.ReportMetric(median(theirs).Seconds()/median(ours).Seconds(), "ofbare")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkForeignSeen is the time from the end of another program's INSERT until a node has made a
// commit of it: of one program that waits for that each time, and of 64 that insert as fast as they can.
func BenchmarkForeignSeen(b *testing.B) {
	const programs = 64
	step := number(b, "TOWER_BENCH_CREATES", 4000, programs)
	node, floor := openBare(b)
	insert := bareTable{floor.address, "public.notes"}.single(b, programs)
	var alone, beside []time.Duration
	for b.Loop() {
		alone = append(alone, seen(b, node, 1, 1, insert)...)
		beside = append(beside, seen(b, node, programs, step, insert)...)
	}
	b.ReportMetric(ms(median(alone)), "ms-alone")
	b.ReportMetric(ms(median(beside)), "ms-beside")
	b.ReportMetric(ms(beside[len(beside)*99/100]), "ms-beside-p99")
	b.ReportMetric(0, "ns/op")
}

// seen returns how long after their INSERTs a node has made commits of rows that programs insert.
func seen(b *testing.B, node *towertest.App, programs, rows int, insert func(program int) tower.ID) (after []time.Duration) {
	b.Helper()
	feed := server.AppOf(node.App).Store().Feed(node.Seq())
	var mu sync.Mutex
	ended := map[tower.ID]time.Time{}
	var inserting sync.WaitGroup
	inserting.Go(func() {
		atOnce(programs, rows, func(program int) {
			id := insert(program)
			mu.Lock()
			defer mu.Unlock()
			ended[id] = time.Now()
		})
	})
	commits := map[tower.ID]time.Time{}
	for len(commits) < rows {
		commit, err := feed.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, change := range commit.Changes {
			commits[change.ID] = time.Now()
		}
	}
	inserting.Wait()
	for id, at := range commits {
		after = append(after, max(0, at.Sub(ended[id])))
	}
	return after
}

// A bareTable is a table like that of the notes.
type bareTable struct{ address, name string }

// openBare opens a node, and a table beside that of its notes. TOWER_BENCH_SYNC is how many
// microseconds each commit waits for a slower disk.
func openBare(b *testing.B) (*towertest.App, bareTable) {
	b.Helper()
	address := pgtest.Start(b).Database(b)
	t := bareTable{address, "bare"}
	set := fmt.Sprintf("DO $$ BEGIN EXECUTE format('ALTER DATABASE %%1$I SET commit_delay = %d; ALTER DATABASE %%1$I SET commit_siblings = 0', current_database()); END $$",
		number(b, "TOWER_BENCH_SYNC", 0, 0))
	if _, err := t.connect(b).Exec(b.Context(), set); err != nil {
		b.Fatal(err)
	}
	node := openReplica(b, address)
	if _, err := t.connect(b).Exec(b.Context(), "CREATE TABLE bare (LIKE public.notes INCLUDING ALL)"); err != nil {
		b.Fatal(err)
	}
	return node, t
}

func (t bareTable) connect(b *testing.B) *pgx.Conn {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), t.address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// insert inserts rows in one statement.
func (t bareTable) insert(b *testing.B, conn *pgx.Conn, rows int) {
	ids, times, topics, texts := make([]string, rows), make([]time.Time, rows), make([]string, rows), make([]string, rows)
	for i := range rows {
		ids[i], times[i], topics[i], texts[i] = string(tower.NewID()), time.Now(), "written", noteText
	}
	if _, err := conn.Exec(context.Background(), `INSERT INTO bare (id, created_at, updated_at, topic, text)
		SELECT * FROM unnest($1::text[], $2::timestamptz[], $2::timestamptz[], $3::text[], $4::text[])`, ids, times, topics, texts); err != nil {
		b.Error(err)
	}
}

// single returns what inserts a row over the connection of a writer.
func (t bareTable) single(b *testing.B, writers int) (insert func(writer int) tower.ID) {
	var all []*pgx.Conn
	for range writers {
		all = append(all, t.connect(b))
	}
	return func(writer int) tower.ID {
		id := tower.NewID()
		if _, err := all[writer].Exec(context.Background(), "INSERT INTO "+t.name+" (id, created_at, updated_at, topic, text) VALUES ($1, $2, $2, $3, $4)",
			string(id), time.Now(), "written", noteText); err != nil {
			b.Error(err)
		}
		return id
	}
}

// grouped returns what inserts a row with all that wait.
func (t bareTable) grouped(b *testing.B) (insert func()) {
	conn := t.connect(b)
	queue := make(chan chan struct{}, 1000)
	var sender sync.WaitGroup
	sender.Go(func() {
		for first := range queue {
			group := []chan struct{}{first}
			for range len(queue) {
				group = append(group, <-queue)
			}
			t.insert(b, conn, len(group))
			for _, done := range group {
				close(done)
			}
		}
	})
	b.Cleanup(func() {
		close(queue)
		sender.Wait()
	})
	return func() {
		done := make(chan struct{})
		queue <- done
		<-done
	}
}

// atOnce has writers do something so many times.
func atOnce(writers, times int, do func(writer int)) time.Duration {
	var left atomic.Int64
	left.Store(int64(times))
	var all sync.WaitGroup
	start := time.Now()
	for i := range writers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				do(i)
			}
		})
	}
	all.Wait()
	return time.Since(start)
}
