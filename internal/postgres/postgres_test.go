//go:build linux

package postgres

import (
	"context"
	"os"
	"testing"

	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func open(t *testing.T, address string, o Options) *Log {
	t.Helper()
	l, err := Open(context.Background(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// logs returns what opens logs of a database of its own.
func logs(server *pgtest.Server) func(t *testing.T) func() store.Log {
	return func(t *testing.T) func() store.Log {
		address := server.Database(t)
		return func() store.Log { return open(t, address, Options{}) }
	}
}

func TestConform(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server *pgtest.Server) { storetest.Conform(t, logs(server)) })
}

func TestConverges(t *testing.T) { storetest.Converges(t, logs(pgtest.Shared(t))) }

// A pooler that gives a connection to somebody else after each transaction may stand in between:
// with an address of the server itself to listen at, or without one.
func TestBehindAPooler(t *testing.T) {
	server := pgtest.Shared(t)
	pooled := server.Pooler(t, "transaction")
	for name, listens := range map[string]bool{"listening beside it": true, "without notifications": false} {
		t.Run(name, func(t *testing.T) {
			logs := func(t *testing.T) func() store.Log {
				direct := server.Database(t)
				o := Options{}
				if listens {
					o.Listen = direct
				}
				return func() store.Log { return open(t, pooled(direct), o) }
			}
			storetest.Conform(t, logs)
			storetest.Converges(t, logs)
		})
	}
}
