//go:build linux

package chaos

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/postgres"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/systemtest/process"
)

// A ledger has the names of deeds, by what their doer knows of them.
type ledger struct {
	done, refused []string
	unsure        []string // of programs, which have no keys
}

// verify compares what all know with what the nodes, their files and the tables have. A node
// that begins now builds its replica from the tables.
func (c *chaos) verify(address string, clients []*client, ledgers []*ledger) {
	c.t.Helper()
	conn, err := pgx.Connect(context.Background(), address)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	c.nodes = append(c.nodes, newNode(c.t, c.server, address))
	c.compare(clients[0], conn) // a node takes in what programs have written last
	c.verifyDeeds(conn, ledgers)
	for _, n := range c.nodes {
		n.stop()
	}
	c.verifyFiles(address)
	again, moves, resyncs := 0, 0, map[string]int{}
	for _, client := range clients {
		again, moves = again+client.again, moves+client.moves
		for reason, n := range client.resyncs {
			resyncs[reason] += n
		}
	}
	c.t.Logf("%d answers on another try, %d connections, resyncs %v", again, moves, resyncs)
}

// verifyDeeds compares the tables with what clients and programs know.
func (c *chaos) verifyDeeds(conn *pgx.Conn, ledgers []*ledger) {
	c.t.Helper()
	there, kinds := map[string]int{}, map[string]int{}
	rows, err := conn.Query(context.Background(), "SELECT name, kind FROM deeds")
	if err != nil {
		c.t.Fatal(err)
	}
	var name, kind string
	if _, err := pgx.ForEachRow(rows, []any{&name, &kind}, func() error { there[name]++; kinds[kind]++; return nil }); err != nil {
		c.t.Fatal(err)
	}
	all, done, refused, unsure := len(there), 0, 0, 0
	for _, l := range ledgers {
		for _, name := range l.done {
			if there[name] != 1 {
				c.t.Errorf("%s was acknowledged and is there %d times", name, there[name])
			}
			delete(there, name)
		}
		for _, name := range l.refused {
			if there[name] != 0 {
				c.t.Errorf("%s was refused and is there", name)
			}
		}
		for _, name := range l.unsure {
			if there[name] > 1 {
				c.t.Errorf("%s is there %d times", name, there[name])
			}
			delete(there, name)
		}
		done, refused, unsure = done+len(l.done), refused+len(l.refused), unsure+len(l.unsure)
	}
	for name := range there {
		c.t.Errorf("%s is there, and nobody knows of it", name)
	}
	var tally, taken int
	if err := conn.QueryRow(context.Background(), "SELECT max(n), count(*) - 1 FROM tallies").Scan(&tally, &taken); err != nil {
		c.t.Fatal(err)
	}
	if tally != kinds["add"] || taken != kinds["take"]-kinds["free"] {
		c.t.Errorf("deeds %v; the tally is %d, and %d slots are taken", kinds, tally, taken)
	}
	c.t.Logf("%d deeds are there: %d acknowledged; %d refused; %d of which a program does not know", all, done, refused, unsure)
}

// compare reads both cursors on each node: all must hold the same at the same position.
func (c *chaos) compare(roaming *client, conn *pgx.Conn) {
	c.t.Helper()
	c.settle(conn)
	var newest uint64
	if err := conn.QueryRow(context.Background(), "SELECT max(seq) FROM tower.commits").Scan(&newest); err != nil {
		c.t.Fatal(err)
	}
	var want []string
	for i, n := range c.nodes {
		for _, who := range []*client{newClient(roaming.ctx, c.t, "last", 0, []*node{n}, roaming.sights), roaming} {
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

// settle waits until what programs have written has its numbers.
func (c *chaos) settle(conn *pgx.Conn) {
	c.t.Helper()
	process.Until(c.t, "the nodes have numbered all", func() bool {
		var waiting bool
		err := conn.QueryRow(context.Background(), "SELECT EXISTS (SELECT FROM tower.inbox)").Scan(&waiting)
		return err == nil && !waiting
	})
}

// verifyFiles compares the files of the nodes, byte for byte: their records, indexes and
// commits. The last one has its records from the tables. Then it compares what clients
// held with the history.
func (c *chaos) verifyFiles(address string) {
	c.t.Helper()
	var commits []map[uint64][sha256.Size]byte
	var records [][]byte
	for i, n := range c.nodes {
		found, err := filepath.Glob(filepath.Join(n.folder, "db", "*.replica.db"))
		if err != nil || len(found) != 1 {
			c.t.Fatalf("node %d has the files %q: %v", i, found, err)
		}
		s := openFile(c.t, found[0], address)
		if err := s.Check(context.Background()); err != nil {
			c.t.Errorf("the file of node %d: %v", i, err)
		}
		records, commits = append(records, recordsOf(c.t, s)), append(commits, commitsOf(c.t, s))
		if !bytes.Equal(records[i], records[0]) {
			c.t.Errorf("node %d has the records\n%s\nnode 0 has\n%s", i, records[i], records[0])
		}
		for seq, sum := range commits[i] {
			if other, has := commits[0][seq]; has && other != sum {
				c.t.Errorf("commit %d of node %d is not that of node 0", seq, i)
			}
		}
		if i == len(c.nodes)-1 {
			c.sights.check(c.t, s)
		}
	}
}

// openFile opens the file of a node that has been stopped.
func openFile(t *testing.T, path, address string) *store.Store {
	t.Helper()
	app, err := tower.New(config())
	if err != nil {
		t.Fatal(err)
	}
	log, err := postgres.Open(context.Background(), address, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	s, err := store.Open(path, store.Options{Models: server.Models(server.AppOf(app)), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func recordsOf(t *testing.T, s *store.Store) []byte {
	t.Helper()
	var all bytes.Buffer
	err := s.View(context.Background(), func(snap *store.Snapshot) error {
		for _, m := range s.Models() {
			if err := snap.Scan(m, store.Range{}, func(image *record.Image) bool {
				fmt.Fprintln(&all, m.Name, image.ID, string(image.JSON), string(image.Private))
				return true
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

// commitsOf returns the hash of each commit that a file has, as bytes.
func commitsOf(t *testing.T, s *store.Store) map[uint64][sha256.Size]byte {
	t.Helper()
	all := map[uint64][sha256.Size]byte{}
	for seq := s.LogStart(); seq <= s.Seq(); {
		entries, err := s.Entries(seq, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			all[e.Seq] = sha256.Sum256(e.Data)
			seq = e.Seq + 1
		}
	}
	return all
}
