package reactions_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/storetest"
)

// A member is a node that can be opened again with its replica.
type member struct {
	*tower.App
	log  *storetest.Log
	path string
}

func (m *member) open(t *testing.T) {
	t.Helper()
	c := shipping()
	c.Env, c.Data, c.Log = "test", m.path, slog.New(slog.DiscardHandler)
	app, err := tower.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server.ShareLog(server.AppOf(app), m.log.Node())
	if err := app.Open(); err != nil {
		t.Fatal(err)
	}
	m.App = app
}

func (m *member) close(t *testing.T) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestNodesReactOnce lets three nodes react to what all of them write, while the log fails at
// random, so that it is not known whether commits were made, and nodes leave and come back.
func TestNodesReactOnce(t *testing.T) {
	t.Setenv("TOWER_WORKERS", "1")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var failing atomic.Bool
	log := storetest.NewLog()
	log.Fail = func(p storetest.Point) error {
		switch {
		case !failing.Load() || rand.N(20) > 0:
			return nil
		case p == storetest.BeforeTurn:
			return errors.New("the network is down")
		}
		return store.ErrUnknown
	}
	var all []*member
	for range 3 {
		m := &member{log: log, path: filepath.Join(t.TempDir(), "replica.db")}
		m.open(t)
		all = append(all, m)
	}
	for round := range 6 {
		failing.Store(true)
		var writing sync.WaitGroup
		for i, m := range all {
			writing.Go(func() {
				for n := range 10 {
					_ = Orders.Create(t.Context(), m, &Order{Name: fmt.Sprint(round, "-", i, "-", n), State: "paid"}) // some fail
				}
			})
		}
		writing.Wait()
		failing.Store(false)
		gone := all[random.IntN(len(all))]
		gone.close(t)
		if random.IntN(2) == 0 { // its replica is lost
			gone.path = filepath.Join(t.TempDir(), "replica.db")
		}
		gone.open(t)
	}
	settle(t, all[0])
	for _, m := range all {
		m.close(t)
	}
}

// TestANodeTakesOver closes the node that has reacted so far.
func TestANodeTakesOver(t *testing.T) {
	t.Setenv("TOWER_WORKERS", "1")
	log := storetest.NewLog()
	var all []*member
	for range 2 {
		m := &member{log: log, path: filepath.Join(t.TempDir(), "replica.db")}
		m.open(t)
		all = append(all, m)
	}
	create(t, all[0], "a", "paid")
	settle(t, all[1])
	all[0].close(t)
	create(t, all[1], "b", "paid")
	settle(t, all[1])
	all[1].close(t)
}
