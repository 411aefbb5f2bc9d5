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

func TestConform(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server *pgtest.Server) {
		storetest.Conform(t, func(t *testing.T) func() store.Log {
			address := server.Database(t)
			return func() store.Log { return open(t, address, Options{}) }
		})
	})
}
