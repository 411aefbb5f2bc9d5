//go:build linux

package chaos

import (
	"context"
	"encoding/json"
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
	kills, seed := number(t, "TOWER_TEST_KILLS", 8), uint64(number(t, "TOWER_TEST_SEED", int(time.Now().UnixNano())))
	t.Logf("seed %d", seed)
	server := pgtest.Start(t)
	address := server.Database(t)
	c := &chaos{t: t, random: rand.New(rand.NewPCG(seed, 0)), server: server, counts: map[string]int{}}
	for range 3 {
		c.nodes = append(c.nodes, newNode(t, server, address))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := newClient(ctx, t, "first", seed, c.nodes)
	first.prepare()
	var clients []*client
	var all sync.WaitGroup
	stop := make(chan struct{})
	for i := range 6 {
		client := newClient(ctx, t, fmt.Sprint("client", i), seed+uint64(i), c.nodes)
		clients = append(clients, client)
		all.Go(func() { client.work(stop) })
	}
	began := time.Now()
	for c.kills < kills && !t.Failed() {
		c.harm()
	}
	c.calm()
	close(stop)
	all.Wait()
	t.Logf("%v in %v", c.counts, time.Since(began).Round(time.Second))
	c.verify(address, clients)
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
		each := newClient(c.ctx, c.t, "each", 0, []*node{n})
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
	counts map[string]int
}

// harm does harm of one kind, and waits a moment.
func (c *chaos) harm() {
	n := c.nodes[c.random.IntN(len(c.nodes))]
	wait := time.Duration(c.random.IntN(1000)) * time.Millisecond
	kinds := []struct {
		weight int
		name   string
		kills  int
		do     func()
	}{
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
		{4, "network cut", 0, n.net.Cut},
		{2, "network away", 0, func() {
			n.net.Down()
			time.Sleep(4 * wait)
			n.net.Up()
		}},
		{2, "network silent", 0, func() {
			n.net.Halt([][]netcut.Direction{{netcut.ToServer}, {netcut.ToClient}, {netcut.ToServer, netcut.ToClient}}[c.random.IntN(3)]...)
			time.Sleep(4 * wait)
			n.net.Flow()
		}},
		{2, "database stopped", 1, func() { c.server.Stop(); time.Sleep(wait); c.server.Restart(c.t) }},
		{2, "database crashed", 1, func() { c.server.Crash(); time.Sleep(wait); c.server.Restart(c.t) }},
		{1, "database killed", 1, func() { c.server.Kill(); c.server.Restart(c.t) }},
		{2, "connections ended", 0, func() {
			c.server.Exec(c.t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tower'")
		}},
	}
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	at := c.random.IntN(total)
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			k.do()
			c.counts[k.name]++
			c.kills += k.kills
			break
		}
	}
	time.Sleep(wait)
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

// calm ends all harm, and waits until each node is there.
func (c *chaos) calm() {
	for _, n := range c.nodes {
		n.net.Disarm()
		n.net.Up()
		n.net.Flow()
		n.signal(syscall.SIGCONT)
	}
}

// verify compares what clients know with what nodes and tables have.
func (c *chaos) verify(address string, clients []*client) {
	c.t.Helper()
	there := map[string]int{}
	kinds := map[string]int{}
	conn, err := pgx.Connect(context.Background(), address)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(), "SELECT name, kind FROM deeds")
	if err != nil {
		c.t.Fatal(err)
	}
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			c.t.Fatal(err)
		}
		there[name]++
		kinds[kind]++
	}
	done, refused, again, moves := 0, 0, 0, 0
	resyncs := map[string]int{}
	for _, client := range clients {
		for _, name := range client.done {
			if there[name] != 1 {
				c.t.Errorf("%s was acknowledged and is there %d times", name, there[name])
			}
		}
		for _, name := range client.refused {
			if there[name] != 0 {
				c.t.Errorf("%s was refused and is there", name)
			}
		}
		done, refused, again, moves = done+len(client.done), refused+len(client.refused), again+client.again, moves+client.moves
		for reason, n := range client.resyncs {
			resyncs[reason] += n
		}
	}
	if len(there) != done {
		c.t.Errorf("%d deeds are there, %d were acknowledged", len(there), done)
	}
	var tally, taken int
	if err := conn.QueryRow(context.Background(), "SELECT max(n), count(*) - 1 FROM tallies").Scan(&tally, &taken); err != nil {
		c.t.Fatal(err)
	}
	if tally != kinds["add"] || taken != kinds["take"]-kinds["free"] {
		c.t.Errorf("deeds %v; the tally is %d, and %d slots are taken", kinds, tally, taken)
	}
	c.t.Logf("%d deeds done, %d of them told on another try; %d refused; %d connections; resyncs %v", done, again, refused, moves, resyncs)
	c.compare(clients[0], conn)
}

// compare reads both cursors on each node: all must hold the same at the same position.
func (c *chaos) compare(roaming *client, conn *pgx.Conn) {
	c.t.Helper()
	var newest uint64
	if err := conn.QueryRow(context.Background(), "SELECT max(seq) FROM tower.commits").Scan(&newest); err != nil {
		c.t.Fatal(err)
	}
	var want []string
	for i, n := range c.nodes {
		for _, who := range []*client{newClient(roaming.ctx, c.t, "last", 0, []*node{n}), roaming} {
			who.nodes = []*node{n}
			process.Until(c.t, "a node is there and has all", func() bool {
				who.leave()
				return who.connect() == nil && who.states["deeds.all"].Seq >= newest && who.states["deeds.newest"].Seq >= newest
			})
			who.leave()
			var got []string
			for _, name := range who.names {
				for _, r := range who.states[name].Records() {
					got = append(got, string(r))
				}
			}
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				c.t.Errorf("node %d has\n%s\nwant\n%s", i, got, want)
			}
		}
	}
}
