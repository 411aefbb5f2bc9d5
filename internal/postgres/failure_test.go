//go:build linux

package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/systemtest/netcut"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	"github.com/towerkit/tower/internal/systemtest/process"
)

// A cluster is stores that work on one database, each through a network of its own.
type cluster struct {
	t       *testing.T
	address string // of the database itself
	seed    uint64
	nets    []*netcut.Proxy
	workers []*storetest.Worker

	mu    sync.Mutex
	deeds []storetest.Deed
	done  []int // deeds, by store
}

// newCluster opens stores. Their statements are sent as text, which a trap finds.
func newCluster(t *testing.T, s *pgtest.Server, stores int) *cluster {
	t.Helper()
	c := &cluster{t: t, address: s.Database(t), seed: uint64(time.Now().UnixNano()), done: make([]int, stores)}
	t.Logf("seed %d", c.seed)
	for i := range stores {
		net := netcut.New(t, fmt.Sprint("127.0.0.1:", s.Port))
		through := c.through(net)
		w, err := storetest.OpenWorker(filepath.Join(t.TempDir(), "replica.db"), open(t, through, Options{Listen: through}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		if i == 0 {
			if err := w.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c.nets, c.workers = append(c.nets, net), append(c.workers, w)
	}
	return c
}

func (c *cluster) through(net *netcut.Proxy) string {
	u, err := url.Parse(c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	u.Host = net.Address()
	return u.String()
}

// work lets the stores work while fn does harm, and verifies what they leave.
func (c *cluster) work(fn func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i, w := range c.workers {
		all.Go(func() {
			w.Work(ctx, fmt.Sprint("w", i), c.seed+uint64(i), 3, func(d storetest.Deed) { c.report(i, d) })
		})
	}
	for i := range c.workers {
		c.goesOn(i)
	}
	fn()
	cancel()
	all.Wait()
	storetest.Verify(c.t, c.deeds, open(c.t, c.address, Options{}), c.workers...)
}

func (c *cluster) report(i int, d storetest.Deed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deeds = append(c.deeds, d)
	if d.State == storetest.Done {
		c.done[i]++
	}
}

// tooLong is when a store does not go on. It is long beside what is expected, since the
// machine may be busy.
const tooLong = time.Minute

// goesOn waits until each of these stores has done two more deeds, of which the second began
// after the call, and returns how long that took.
func (c *cluster) goesOn(stores ...int) time.Duration {
	c.t.Helper()
	c.mu.Lock()
	want := append([]int(nil), c.done...)
	c.mu.Unlock()
	begun := time.Now()
	for _, i := range stores {
		process.Until(c.t, fmt.Sprintf("store %d goes on", i), func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.done[i] >= want[i]+6 || time.Since(begun) > tooLong
		})
	}
	took := time.Since(begun)
	if took > tooLong {
		c.t.Errorf("a store did not go on after %v", tooLong)
	}
	return took
}

// A point is one of a turn's exchange with the server.
type point struct {
	name   string
	toward netcut.Direction
	text   string
	after  int
}

var points = []point{
	{"before the turn is asked for", netcut.ToServer, "BEGIN ISOLATION", 0},
	{"before the lock is asked for", netcut.ToServer, "FOR UPDATE", 0},
	{"before the lock is told", netcut.ToClient, "BEGIN", 0},
	{"before the tail", netcut.ToClient, "SELECT 1", 60},
	{"before the rows", netcut.ToServer, "INSERT INTO tower.commits", 0},
	{"within the rows", netcut.ToServer, "INSERT INTO tower.commits", 200},
	{"before COMMIT", netcut.ToServer, "COMMIT", 0},
	{"within COMMIT", netcut.ToServer, "COMMIT", 10},
	{"before the answer to the rows", netcut.ToClient, "INSERT 0", 0},
	{"before the answer to COMMIT", netcut.ToClient, "COMMIT", 0},
	{"when others are told", netcut.ToClient, "tower\x00", 0},
}

// TestTheNetworkFails breaks and halts the network of one store at each point of a turn.
func TestTheNetworkFails(t *testing.T) {
	t.Parallel() // it waits, more than it works
	harms := []struct {
		name string
		do   func(*netcut.Proxy)
	}{
		{"cut", (*netcut.Proxy).Cut},
		{"away", (*netcut.Proxy).Down},
		{"nothing arrives", func(p *netcut.Proxy) { p.Halt(netcut.ToServer) }},
		{"nothing comes back", func(p *netcut.Proxy) { p.Halt(netcut.ToClient) }},
		{"silence", func(p *netcut.Proxy) { p.Halt(netcut.ToServer, netcut.ToClient) }},
	}
	c := newCluster(t, pgtest.Shared(t), 3)
	random := rand.New(rand.NewPCG(c.seed, 100))
	all := random.Perm(len(points) * len(harms))
	c.work(func() {
		for _, n := range all[:min(len(all), harmed(t))] {
			p, h, net := points[n/len(harms)], harms[n%len(harms)], c.nets[0]
			<-net.Trap(p.toward, p.text, p.after, func() { h.do(net) })
			others := c.goesOn(1, 2)
			net.Up()
			net.Flow()
			t.Logf("%s: %s: others went on after %v, it after %v", p.name, h.name, others.Round(time.Millisecond), c.goesOn(0).Round(time.Millisecond))
		}
	})
}

// TestTheNetworkIsSilentInARow halts it where no timeout of the server counts: the server has
// one half of a statement, and the lock.
func TestTheNetworkIsSilentInARow(t *testing.T) {
	t.Parallel() // it waits, more than it works
	c := newCluster(t, pgtest.Shared(t), 3)
	c.work(func() {
		net := c.nets[0]
		<-net.Trap(netcut.ToServer, "INSERT INTO tower.commits", 10, func() { net.Halt(netcut.ToServer) })
		c.goesOn(1, 2)
		net.Flow()
		c.goesOn(0)
	})
}

// harmed returns how often a test does harm: TOWER_TEST_KILLS, or a few times.
func harmed(t *testing.T) int {
	t.Helper()
	text := os.Getenv("TOWER_TEST_KILLS")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sql connects as another program does.
func (c *cluster) sql() *pgx.Conn {
	c.t.Helper()
	conn, err := pgx.Connect(context.Background(), c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close(context.Background()) }) // it may have been ended
	return conn
}

func (c *cluster) exec(conn *pgx.Conn, statements ...string) {
	c.t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(context.Background(), s); err != nil {
			c.t.Errorf("%s: %v", s, err)
		}
	}
}

// TestAnotherProgramHoldsTheTurn locks the row of the turn, and says nothing more.
func TestAnotherProgramHoldsTheTurn(t *testing.T) {
	t.Parallel() // it waits, more than it works
	c := newCluster(t, pgtest.Shared(t), 3)
	c.work(func() {
		for _, lock := range []string{"SELECT FROM tower.turn FOR UPDATE", "LOCK TABLE tower.turn", "LOCK TABLE tower.turn IN SHARE MODE"} {
			conn := c.sql()
			c.exec(conn, "BEGIN", lock)
			t.Logf("%s: the stores went on after %v", lock, c.goesOn(0, 1, 2))
			_ = conn.Close(context.Background())
		}
	})
}

// TestAnotherProgramHoldsARow locks a record that some transactions change. Those fail, and
// the others go on.
func TestAnotherProgramHoldsARow(t *testing.T) {
	t.Parallel() // it waits, more than it works
	c := newCluster(t, pgtest.Shared(t), 3)
	c.work(func() {
		conn := c.sql()
		c.exec(conn, "BEGIN", "SELECT FROM accounts WHERE owner = 'hot' FOR UPDATE")
		t.Logf("the stores went on after %v", c.goesOn(0, 1, 2))
		c.exec(conn, "ROLLBACK")
		c.goesOn(0, 1, 2)
	})
}

// fails waits until a deed has failed, which began after the call, with an error that says
// something.
func (c *cluster) fails(says string) {
	c.t.Helper()
	c.mu.Lock()
	from := len(c.deeds)
	c.mu.Unlock()
	begun := time.Now()
	process.Until(c.t, "a deed fails: "+says, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.ContainsFunc(c.deeds[from:], func(d storetest.Deed) bool { return d.State == storetest.Failed && strings.Contains(d.Error, says) })
	})
	c.t.Logf("%q after %v", says, time.Since(begun).Round(time.Millisecond))
}

// TestAnotherProgramChangesATable within a transaction that it leaves open, and so that the
// models do not fit the tables any more.
func TestAnotherProgramChangesATable(t *testing.T) {
	t.Parallel() // it waits, more than it works
	c := newCluster(t, pgtest.Shared(t), 3)
	c.work(func() {
		conn := c.sql()
		c.exec(conn, "BEGIN", "ALTER TABLE accounts ADD COLUMN remark text")
		c.fails("another program has locked the record")
		c.exec(conn, "COMMIT")
		c.goesOn(0, 1, 2)
		c.exec(conn, "ALTER TABLE accounts RENAME COLUMN balance TO saldo")
		c.fails(`RENAME COLUMN "saldo" TO "balance"`)
		c.exec(conn, "ALTER TABLE accounts RENAME COLUMN saldo TO balance")
		c.goesOn(0, 1, 2)
	})
}

// TestTheDiskOfTheServerIsFull lets no table grow any more.
func TestTheDiskOfTheServerIsFull(t *testing.T) {
	t.Parallel() // it waits, more than it works
	server := pgtest.Start(t)
	c := newCluster(t, server, 3)
	c.work(func() {
		conn := c.sql()
		// More than a segment of the log of the server, which must not fail.
		c.exec(conn, "ALTER TABLE accounts SET (autovacuum_enabled = off)", "BEGIN", "SET LOCAL session_replication_role = replica",
			"INSERT INTO accounts (id, owner, secret) SELECT lpad(n::text, 26, '0'), n, repeat('x', 1900) FROM generate_series(1, 9000) AS n", "ROLLBACK",
			"ALTER TABLE accounts SET (fillfactor = 10)") // no row goes into what is left of a page
		c.exec(conn, "BEGIN", "LOCK TABLE accounts IN EXCLUSIVE MODE") // the next row is the first one that does not fit
		var size int64
		if err := conn.QueryRow(context.Background(), "SELECT pg_relation_size('accounts')").Scan(&size); err != nil {
			t.Fatal(err)
		}
		server.LimitFiles(t, uint64(size)+4096)
		c.exec(conn, "COMMIT")
		c.fails("PostgreSQL cannot write")
		server.LimitFiles(t, 0)
		c.goesOn(0, 1, 2)
	})
}

// TestTheServerEndsConnections ends those of all stores, again and again.
func TestTheServerEndsConnections(t *testing.T) {
	t.Parallel() // it waits, more than it works
	c := newCluster(t, pgtest.Shared(t), 3)
	c.work(func() {
		conn := c.sql()
		for range 2 * harmed(t) {
			c.exec(conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
			c.goesOn(rand.IntN(3))
		}
		c.goesOn(0, 1, 2)
	})
}

// TestTheServerIsAway stops the server in three ways, and starts it again.
func TestTheServerIsAway(t *testing.T) {
	t.Parallel() // it waits, more than it works
	server := pgtest.Start(t)
	c := newCluster(t, server, 3)
	c.work(func() {
		for i := range harmed(t) / 2 {
			[]func(){server.Stop, server.Kill, server.Crash}[i%3]()
			server.Restart(t)
			c.goesOn(0, 1, 2)
		}
	})
}

// TestAStandbyIsAway acknowledges nothing that a standby should have and does not.
func TestAStandbyIsAway(t *testing.T) {
	t.Parallel() // it waits, more than it works
	server := pgtest.Start(t)
	c := newCluster(t, server, 1)
	c.work(func() {
		conn := c.sql()
		c.exec(conn, "ALTER SYSTEM SET synchronous_standby_names = 'missing'", "SELECT pg_reload_conf()")
		process.Until(t, "a commit waits for the standby", func() bool {
			var waits bool
			err := conn.QueryRow(context.Background(), "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'").Scan(&waits)
			return err == nil && waits
		})
		c.mu.Lock()
		before := c.done[0]
		c.mu.Unlock()
		time.Sleep(12 * time.Second) // longer than a statement may take
		c.mu.Lock()
		after := c.done[0]
		c.mu.Unlock()
		if after > before {
			t.Errorf("%d transactions were acknowledged, and the standby does not have them", after-before)
		}
		c.exec(conn, "SET synchronous_commit = local", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
		c.goesOn(0)
	})
}
