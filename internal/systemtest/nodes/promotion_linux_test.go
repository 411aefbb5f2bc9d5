package nodes

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/postgres"
	"github.com/towerkit/tower/internal/systemtest/netcut"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	"github.com/towerkit/tower/internal/wire/line"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// A pair is a PostgreSQL server, its standby, and a database that both have.
type pair struct {
	primary, standby *pgtest.Server
	database         string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{primary: pgtest.Start(t), database: "app"}
	p.primary.Exec(t, "CREATE DATABASE app")
	p.standby = p.primary.Standby(t)
	return p
}

// join adds a node that reaches the primary at an address.
func (p *pair) join(t *testing.T, primary string, number int) *node {
	t.Helper()
	log, err := postgres.Open(context.Background(), fmt.Sprintf("postgres://postgres@%s,127.0.0.1:%d/%s?target_session_attrs=read-write",
		primary, p.standby.Port, p.database), postgres.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{}
	n.open(t, log, number, patient, func() {})
	return n
}

func (p *pair) address() string { return fmt.Sprint("127.0.0.1:", p.primary.Port) }

// TestAnAsynchronousStandbyIsPromoted lacks commits that were acknowledged.
func TestAnAsynchronousStandbyIsPromoted(t *testing.T) {
	p := newPair(t)
	net := netcut.New(t, p.address())
	loseCommits(t, line.Transports()[0], p.join(t, p.address(), 0), p.join(t, net.Address(), 1), func() {
		p.standby.CutOff(t)
		net.Down()
	}, func() {
		p.primary.Kill()
		p.standby.Promote(t)
	})
}

// TestASynchronousStandbyIsPromoted under load. What was acknowledged is there, no client reads
// anything again, and no connection ends.
func TestASynchronousStandbyIsPromoted(t *testing.T) {
	p := newPair(t)
	nodes := []*node{p.join(t, p.address(), 0), p.join(t, p.address(), 1)}
	p.primary.Synchronous(t)
	stays, comes := newPeer(t, line.Transports()[0]), newPeer(t, line.Transports()[0])
	nodes[0].write(t, "before")
	nodes[1].level(t, nodes[0])
	stays.connect(nodes[0])
	comes.connect(nodes[0])
	comes.leave()

	var mu sync.Mutex
	made := map[string]bool{}
	promoted := make(chan struct{})
	enough := make(chan struct{}, 4)
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			after := 0
			for n := 0; after < 5; n++ {
				note := &Note{Text: fmt.Sprint(i, "-", n)}
				if err := notes.Create(context.Background(), nodes[i%2], note); err != nil {
					t.Errorf("%s: %v", note.Text, err)
					return
				}
				mu.Lock()
				made[note.Text] = true
				mu.Unlock()
				select {
				case <-promoted:
					after++
				default:
				}
				if n == 5 {
					enough <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-enough
	}
	p.primary.Kill()
	p.standby.Promote(t)
	close(promoted)
	writers.Wait()
	nodes[0].level(t, nodes[1])
	nodes[1].level(t, nodes[0])
	want := nodes[0].list(t)
	if !maps.Equal(want, nodes[1].list(t)) || len(want) != len(made)+1 {
		t.Errorf("%d notes were acknowledged, and the nodes have %d and %d", len(made), len(want), len(nodes[1].list(t)))
	}
	for _, text := range want {
		delete(made, text)
	}
	if len(made) > 0 {
		t.Errorf("lost: %v", made)
	}
	stays.receiveUntil(len(want))
	comes.connect(nodes[1])
	if len(stays.resyncs)+len(comes.resyncs) > 0 || !maps.Equal(stays.texts(), want) || !maps.Equal(comes.texts(), want) {
		t.Errorf("resyncs %v and %v; they hold %d and %d notes of %d", stays.resyncs, comes.resyncs, len(stays.texts()), len(comes.texts()), len(want))
	}
}

// TestAStandbyAlone is no server for a node to begin with.
func TestAStandbyAlone(t *testing.T) {
	p := newPair(t)
	log, err := postgres.Open(context.Background(), p.standby.Address("postgres", p.database), postgres.Options{})
	if err == nil {
		log.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "is a standby, which only reads") {
		t.Errorf("it says %v", err)
	}
}
