package systemtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	bolt "go.etcd.io/bbolt"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	links "github.com/towerkit/tower/internal/server/transport"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	_ "github.com/towerkit/tower/postgres"
	"github.com/towerkit/tower/towertest"
)

// The figures of several nodes: they share a PostgreSQL server that writes to the disk.

// openReplica opens the application in this process, on a replica of its own.
func openReplica(b *testing.B, address string) *towertest.App {
	b.Helper()
	app, end := serveReplica(b, address)
	b.Cleanup(end)
	return app
}

func serveReplica(b *testing.B, address string) (*towertest.App, func()) {
	b.Helper()
	b.Setenv("TOWER_REPLICA", filepath.Join(b.TempDir(), "replica.db"))
	return serveNotes(b, address)
}

// A node is the application in a process of its own, so that what the process takes is the
// node's.
type node struct {
	*swarm // the lines that it reads and writes
	url    string
}

const nodeVariable = "TOWER_TEST_NODE"

func startNode(b *testing.B, address string) *node {
	b.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), nodeVariable+"="+address, "TOWER_REPLICA="+filepath.Join(b.TempDir(), "replica.db"))
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = command.Wait()
	})
	n := &node{swarm: &swarm{b, in, bufio.NewScanner(out)}}
	if !n.out.Scan() || !strings.HasPrefix(n.out.Text(), "http") {
		b.Fatalf("the node said %q, %v", n.out.Text(), n.out.Err())
	}
	n.url = n.out.Text()
	return n
}

// took returns the processor time that the node has taken until it had a commit.
func (n *node) took(seq uint64) time.Duration {
	n.b.Helper()
	n.say("reach %d", seq)
	return time.Duration(n.hear("took"))
}

func nodeMain(address string) error {
	config := notes()
	config.Env, config.Data, config.Log = "test", address, slog.New(slog.NewTextHandler(io.Discard, nil))
	app, err := tower.New(config)
	if err != nil {
		return err
	}
	if err := app.Open(); err != nil {
		return err
	}
	web := httptest.NewUnstartedServer(app.Handler())
	web.Config.ConnContext = links.ConnContext
	web.Start()
	fmt.Println(web.URL)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var seq uint64
		var usage syscall.Rusage
		if _, err := fmt.Sscanf(lines.Text(), "reach %d", &seq); err != nil {
			return err
		}
		err := errors.Join(server.AppOf(app).Store().Reach(context.Background(), seq), app.Wait(context.Background(), seq),
			syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
		if err != nil {
			return err
		}
		fmt.Println("took", usage.Utime.Nano()+usage.Stime.Nano())
	}
	web.CloseClientConnections()
	return app.Close()
}

// createAtOnce has some writers, which take the applications in turn, create notes.
func createAtOnce(b *testing.B, writers, notes int, apps ...*towertest.App) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(notes))
	var all sync.WaitGroup
	start := time.Now()
	for i := range writers {
		app := apps[i%len(apps)]
		all.Go(func() {
			for left.Add(-1) >= 0 {
				err := app.Transaction(b.Context(), func(tx *tower.Tx) error {
					return Notes.Create(b.Context(), tx, &Note{Topic: "written", Text: noteText})
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// BenchmarkNodesWrite is 64 writers on three nodes, beside as many on one.
func BenchmarkNodesWrite(b *testing.B) {
	step := number(b, "TOWER_BENCH_CREATES", 4000, 64)
	database := pgtest.Start(b)
	alone := openReplica(b, database.Database(b))
	shared := database.Database(b)
	three := []*towertest.App{openReplica(b, shared), openReplica(b, shared), openReplica(b, shared)}
	var one, many []time.Duration
	for b.Loop() {
		one = append(one, createAtOnce(b, 64, step, alone))
		many = append(many, createAtOnce(b, 64, step, three...))
	}
	b.ReportMetric(float64(step)/median(one).Seconds(), "creates/s-on-one")
	b.ReportMetric(float64(step)/median(many).Seconds(), "creates/s-on-three")
	b.ReportMetric(median(one).Seconds()/median(many).Seconds(), "ofone")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSeenElsewhere is a record that one node creates until a client of another one has it,
// beside the answer to whoever created it.
func BenchmarkSeenElsewhere(b *testing.B) {
	address := pgtest.Start(b).Database(b)
	here, there := openReplica(b, address), openReplica(b, address)
	clients := follow(b, there, 1, "notes.on", "all")
	var answered, seen []time.Duration
	for b.Loop() {
		for range number(b, "TOWER_BENCH_CREATES", 50, 2) {
			received := clients.expect(1)
			start := time.Now()
			post(b, here, noteOn("all"))
			answered = append(answered, time.Since(start))
			seen = append(seen, received().Sub(start))
		}
	}
	b.ReportMetric(ms(median(answered)), "ms/answered")
	b.ReportMetric(ms(median(seen)), "ms/seen")
	b.ReportMetric(median(seen).Seconds()/median(answered).Seconds(), "ofanswered")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdleNode is the processor time that a commit costs a node whose clients watch nothing
// of it.
func BenchmarkIdleNode(b *testing.B) {
	step := number(b, "TOWER_BENCH_CREATES", 4000, 64)
	address := pgtest.Start(b).Database(b)
	writer := openReplica(b, address)
	idle := startNode(b, address)
	startSwarm(b, orders{URL: socketURL(idle.url) + "/_tower/socket", Clients: 10, Mark: mark,
		Say: []string{`{"hello":1}`, `{"id":1,"open":"notes.on","in":{"topic":"other"}}`}})
	var took []time.Duration
	for b.Loop() {
		before := idle.took(writer.Seq())
		createAtOnce(b, 64, step, writer)
		took = append(took, idle.took(writer.Seq())-before)
	}
	b.ReportMetric(ms(median(took))/float64(step), "ms/commit")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkNodesDeliver is the processor time of all nodes for each message to a client: clients
// on three nodes, beside as many on one.
func BenchmarkNodesDeliver(b *testing.B) {
	clients, step := benchClients(b)/3*3, number(b, "TOWER_BENCH_CREATES", 100, 2)
	database := pgtest.Start(b)
	alone, three := startCluster(b, database, 1, clients), startCluster(b, database, 3, clients)
	var one, many []time.Duration
	for b.Loop() {
		one = append(one, alone.deliver(step))
		many = append(many, three.deliver(step))
	}
	messages := float64(step * clients)
	b.ReportMetric(float64(median(one).Microseconds())/messages, "µs/message-on-one")
	b.ReportMetric(float64(median(many).Microseconds())/messages, "µs/message-on-three")
	b.ReportMetric(median(many).Seconds()/median(one).Seconds(), "ofone")
	b.ReportMetric(0, "ns/op")
}

// A cluster is nodes with clients on each, and one node without any, which writes.
type cluster struct {
	*testing.B
	writer  *towertest.App
	nodes   []*node
	clients []*swarm
	each    int
}

func startCluster(b *testing.B, database *pgtest.Server, nodes, clients int) *cluster {
	b.Helper()
	address := database.Database(b)
	c := &cluster{B: b, writer: openReplica(b, address), each: clients / nodes}
	for range nodes {
		n := startNode(b, address)
		c.nodes = append(c.nodes, n)
		c.clients = append(c.clients, startSwarm(b, orders{URL: socketURL(n.url) + "/_tower/socket", Clients: c.each, Mark: mark,
			Say: []string{`{"hello":1}`, `{"id":1,"open":"notes.on","in":{"topic":"all"}}`}}))
	}
	return c
}

// deliver creates notes that all clients see, one after another, and returns the processor time
// that the nodes have taken.
func (c *cluster) deliver(notes int) (took time.Duration) {
	c.Helper()
	for _, n := range c.nodes {
		took -= n.took(c.writer.Seq())
	}
	for range notes {
		var received []func() time.Time
		for _, s := range c.clients {
			received = append(received, s.expect(c.each))
		}
		post(c.B, c.writer, noteOn("all"))
		for _, wait := range received {
			wait()
		}
	}
	for _, n := range c.nodes {
		took += n.took(c.writer.Seq())
	}
	return took
}

// BenchmarkReplica is what a node reads, on a replica of the database and on a file of its own:
// pages, and cursors that are opened.
func BenchmarkReplica(b *testing.B) {
	records := number(b, "TOWER_BENCH_RECORDS", 100_000, 200)
	apps := []*towertest.App{openNotes(b), openReplica(b, pgtest.Start(b).Database(b))}
	var comers []*swarm
	for _, app := range apps {
		createMany(b, app, records)
		comers = append(comers, startSwarm(b, orders{Clients: 200, Come: true, Say: []string{`{"hello":1}`, `{"id":1,"open":"notes.newest"}`}}))
	}
	request := httptest.NewRequest("GET", "/notes/newest", nil)
	request.Host = "127.0.0.1"
	page := func(h http.Handler) time.Duration {
		start := time.Now()
		for range 200 {
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, request); w.Code != http.StatusOK {
				b.Fatal(w.Code, w.Body)
			}
		}
		return time.Since(start)
	}
	var pages, opens [2][]time.Duration
	for b.Loop() {
		for i, app := range apps {
			pages[i] = append(pages[i], page(app.Handler()))
			opens[i] = append(opens[i], comers[i].come(app.URL+"/_tower/socket"))
		}
	}
	b.ReportMetric(median(pages[0]).Seconds()/median(pages[1]).Seconds(), "reads-offile")
	b.ReportMetric(median(opens[0]).Seconds()/median(opens[1]).Seconds(), "opens-offile")
	b.ReportMetric(0, "ns/op")
}

func createMany(b *testing.B, app *towertest.App, n int) {
	b.Helper()
	for made := 0; made < n; {
		if err := app.Transaction(b.Context(), func(tx *tower.Tx) error {
			for range min(10_000, n-made) {
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
}

// BenchmarkFreshNode is a node that starts without a file until it is ready, beside what copies the
// rows out of the database and writes them to a bare bbolt.
func BenchmarkFreshNode(b *testing.B) {
	records := number(b, "TOWER_BENCH_RECORDS", 1_000_000, 200)
	address := pgtest.Start(b).Database(b)
	_, end := serveReplica(b, address)
	end()
	loadNotes(b, address, records)
	b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
		var ours, bare []time.Duration
		for b.Loop() {
			start := time.Now()
			_, end := serveReplica(b, address)
			ours = append(ours, time.Since(start))
			end()
			bare = append(bare, copyOut(b, address))
		}
		b.ReportMetric(ms(median(ours)), "ms/node")
		b.ReportMetric(ms(median(bare)), "ms/copy+bbolt")
		b.ReportMetric(median(ours).Seconds()/median(bare).Seconds(), "ofcopy+bbolt")
		b.ReportMetric(0, "ns/op")
	})
}

// loadNotes copies notes into the table as a program does whose writes are not captured.
func loadNotes(b *testing.B, address string, n int) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(b.Context(), "SET session_replication_role = replica"); err != nil {
		b.Fatal(err)
	}
	now, made := time.Now(), 0
	_, err = conn.CopyFrom(b.Context(), pgx.Identifier{"public", "notes"}, []string{"id", "created_at", "updated_at", "topic", "text"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if made++; made > n {
				return nil, nil
			}
			return []any{string(tower.NewID()), now, now, fmt.Sprint("topic", made%1000), noteText}, nil
		}))
	if err != nil {
		b.Fatal(err)
	}
}

// copyOut copies the notes to a file, and its lines to a bbolt, in one transaction for each ten
// thousand.
func copyOut(b *testing.B, address string) time.Duration {
	b.Helper()
	folder := b.TempDir()
	start := time.Now()
	conn, err := pgx.Connect(b.Context(), address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	file, err := os.Create(filepath.Join(folder, "rows"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if _, err := conn.PgConn().CopyTo(b.Context(), file, "COPY (SELECT * FROM public.notes ORDER BY id) TO STDOUT"); err != nil {
		b.Fatal(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		b.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(folder, "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for lines, more := bufio.NewScanner(file), true; more; {
		err := db.Update(func(tx *bolt.Tx) error {
			rows, err := tx.CreateBucketIfNotExists([]byte("rows"))
			for n := 0; err == nil && n < 10_000; n++ {
				if more = lines.Scan(); !more {
					return lines.Err()
				}
				id, rest, _ := strings.Cut(lines.Text(), "\t")
				err = rows.Put([]byte(id), []byte(rest))
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}
