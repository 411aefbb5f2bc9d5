//go:build linux

package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower/internal/systemtest/netcut"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	"github.com/towerkit/tower/internal/systemtest/process"
	"github.com/towerkit/tower/internal/wire"
)

// TestChaos lets clients work on three nodes, and go from one to another, while nodes are
// killed and stopped, the database is stopped, crashes and ends connections, and networks
// break and fall silent, each at random. Every call must take effect once, no client may see
// a gap, something twice or a state that goes back, and in the end all nodes and the tables
// must have the same.
//
// TOWER_TEST_KILLS=500 is the full size. TOWER_TEST_SEED makes the same decisions again.
func TestChaos(t *testing.T) {
	kills, seed := number(t, "TOWER_TEST_KILLS", 4), uint64(number(t, "TOWER_TEST_SEED", int(time.Now().UnixNano())))
	t.Logf("seed %d", seed)
	server := pgtest.Start(t)
	address := server.Database(t)
	c := &chaos{t: t, random: rand.New(rand.NewPCG(seed, 0)), server: server, counts: map[string]int{},
		sights: sights{all: map[sight][sha256.Size]byte{}}}
	for range 3 {
		c.nodes = append(c.nodes, newNode(t, server, address))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	newClient(ctx, t, "first", seed, c.nodes, &c.sights).prepare()
	var clients []*client
	var ledgers []*ledger
	var all sync.WaitGroup
	stop := make(chan struct{})
	for i := range uint64(6) {
		client := newClient(ctx, t, fmt.Sprint("client", i), seed+i, c.nodes, &c.sights)
		clients, ledgers = append(clients, client), append(ledgers, &client.ledger)
		all.Go(func() { client.work(stop) })
	}
	for i := range uint64(2) {
		program := newProgram(t, fmt.Sprint("program", i), seed+i, address)
		ledgers = append(ledgers, &program.ledger)
		all.Go(func() { program.work(stop) })
	}
	began := time.Now()
	for said := 0; c.kills < kills && !t.Failed(); c.harm() {
		c.progress()
		if c.kills >= said+50 {
			said = c.kills
			t.Logf("%d kills in %v", said, time.Since(began).Round(time.Second))
		}
	}
	c.calm()
	close(stop)
	all.Wait()
	t.Logf("%d kills in %v: %v", c.kills, time.Since(began).Round(time.Second), c.counts)
	c.verify(address, clients, ledgers)
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// prepare makes what the clients work with, once a node is there.
func (c *client) prepare() {
	c.t.Helper()
	process.Until(c.t, "a node prepares", func() bool {
		defer c.leave()
		if c.connect() != nil {
			return false
		}
		answer, err := c.ask(wire.Request{Call: "POST /prepare", In: json.RawMessage("{}")})
		if err == nil && answer.Error != nil {
			c.t.Log(answer.Error.Message)
		}
		return err == nil && answer.Error == nil
	})
	for _, n := range c.nodes {
		each := newClient(c.ctx, c.t, "each", 0, []*node{n}, c.sights)
		process.Until(c.t, "each node has it", func() bool {
			defer each.leave()
			return each.connect() == nil && each.states["deeds.all"].Len() > 0
		})
	}
}

// chaos is what does harm.
type chaos struct {
	t      *testing.T
	random *rand.Rand
	server *pgtest.Server
	nodes  []*node
	kills  int
	counts map[string]int // of what was done
	sights sights

	progressed uint64 // calls that had succeeded when that was looked at last
	idle       int    // harms since, while none has
}

// progress waits, once many harms have been done and no call has succeeded since: what has
// been harmed must come back by itself, and on a slow machine that takes longer.
func (c *chaos) progress() {
	if done := c.sights.done.Load(); done != c.progressed {
		c.progressed, c.idle = done, 0
		return
	}
	if c.idle++; c.idle == 5 {
		c.idle = 0
		process.Until(c.t, "a call succeeds", func() bool { return c.sights.done.Load() != c.progressed })
	}
}

// A harm is one that comes with a weight.
type harm struct {
	weight int
	name   string
	kills  int
	do     func()
}

// harm does harm of one kind, and waits a moment.
func (c *chaos) harm() {
	n := c.nodes[c.random.IntN(len(c.nodes))]
	wait := time.Duration(c.random.IntN(1000)) * time.Millisecond
	all := slices.Concat(c.kill(n, wait), c.disturb("to the database", n.net, wait), c.disturb("to clients", n.front, wait))
	total := 0
	for _, h := range all {
		total += h.weight
	}
	at := c.random.IntN(total)
	for _, h := range all {
		if at -= h.weight; at < 0 {
			h.do()
			c.counts[h.name]++
			c.kills += h.kills
			break
		}
	}
	time.Sleep(wait)
}

// kill returns what kills and stops processes.
func (c *chaos) kill(n *node, wait time.Duration) []harm {
	return []harm{
		{10, "node killed", 1, func() { n.signal(syscall.SIGKILL) }},
		{2, "node and its file lost", 1, n.lose},
		{2, "all nodes killed", 3, func() {
			for _, n := range c.nodes {
				n.signal(syscall.SIGKILL)
			}
		}},
		{3, "node killed at COMMIT", 1, func() { c.killAt(n, netcut.ToServer, "tower.commits (seq") }},
		{3, "node killed at the answer", 1, func() { c.killAt(n, netcut.ToClient, "COMMIT") }},
		{3, "node stopped", 0, func() {
			n.signal(syscall.SIGSTOP)
			time.Sleep(4 * wait)
			n.signal(syscall.SIGCONT)
		}},
		{2, "database ended", 1, func() { c.server.Stop(); time.Sleep(wait); c.server.Restart(c.t) }},
		{2, "database crashed", 1, func() { c.server.Crash(); time.Sleep(wait); c.server.Restart(c.t) }},
		{1, "database killed", 1, func() { c.server.Kill(); c.server.Restart(c.t) }},
		{1, "process of the database killed", 1, c.killBackend},
		{2, "database stopped", 0, func() { c.server.Pause(); time.Sleep(4 * wait); c.server.Resume() }},
		{2, "connections of the database ended", 0, func() {
			c.server.Exec(c.t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tower'")
		}},
	}
}

// disturb returns what happens to a network.
func (c *chaos) disturb(name string, net *netcut.Proxy, wait time.Duration) []harm {
	return []harm{
		{2, "network " + name + " cut", 0, net.Cut},
		{1, "network " + name + " away", 0, func() {
			net.Down()
			time.Sleep(4 * wait)
			net.Up()
		}},
		{1, "network " + name + " silent", 0, func() {
			net.Halt([][]netcut.Direction{{netcut.ToServer}, {netcut.ToClient}, {netcut.ToServer, netcut.ToClient}}[c.random.IntN(3)]...)
			time.Sleep(4 * wait)
			net.Flow()
		}},
		{1, "network " + name + " slow", 0, func() {
			net.Delay(wait / 10)
			time.Sleep(2 * wait)
			net.Delay(0)
		}},
	}
}

// killBackend kills a process that serves a node, as a kernel does that lacks memory. The
// server then ends all connections and recovers.
func (c *chaos) killBackend() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.server.Address("postgres", "postgres"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(ctx)
	var pid int
	err = conn.QueryRow(ctx, "SELECT pid FROM pg_stat_activity WHERE application_name = 'tower' LIMIT 1").Scan(&pid)
	if errors.Is(err, pgx.ErrNoRows) {
		return // no node is there
	}
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	_, _ = conn.Exec(ctx, "SELECT pg_sleep(600)") // until it breaks
	process.Until(c.t, "the database has recovered", func() bool {
		conn, err := pgx.Connect(ctx, c.server.Address("postgres", "postgres"))
		if err == nil {
			conn.Close(ctx)
		}
		return err == nil
	})
}

// killAt kills a node when it is about to send or to receive a text. Statements that have
// been prepared are not sent as text: then it is killed a moment later.
func (c *chaos) killAt(n *node, toward netcut.Direction, text string) {
	sprung := n.net.Trap(toward, text, 0, func() { n.signal(syscall.SIGKILL) })
	select {
	case <-sprung:
	case <-time.After(time.Second):
		n.net.Disarm()
		n.signal(syscall.SIGKILL)
	}
}

// calm ends what goes on.
func (c *chaos) calm() {
	for _, n := range c.nodes {
		n.net.Disarm()
	}
}
