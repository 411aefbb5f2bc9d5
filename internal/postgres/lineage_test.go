//go:build linux

package postgres

import (
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

// TestConformLosses restores a copy of the database.
func TestConformLosses(t *testing.T) {
	storetest.ConformLosses(t, copies(pgtest.Shared(t))) // what is kept and lost are whole databases, alike in each version
}

func TestRandomLosses(t *testing.T) { storetest.RandomLosses(t, copies(pgtest.Shared(t))) }

// copies returns what opens logs of a database that is kept and lost as a copy.
func copies(server *pgtest.Server) func(t *testing.T) (log func() store.Log, keep, lose func()) {
	return func(t *testing.T) (func() store.Log, func(), func()) {
		address := server.Database(t)
		name := address[strings.LastIndex(address, "/")+1:]
		t.Cleanup(func() { server.Exec(t, "DROP DATABASE IF EXISTS "+name+"_kept WITH (FORCE)") })
		disconnect := func() {
			server.Exec(t, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
			server.Exec(t, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '"+name+"'")
		}
		keep := func() {
			disconnect()
			server.Exec(t, "CREATE DATABASE "+name+"_kept TEMPLATE "+name)
			server.Exec(t, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
		}
		lose := func() {
			disconnect()
			server.Exec(t, "DROP DATABASE "+name)
			server.Exec(t, "ALTER DATABASE "+name+"_kept RENAME TO "+name)
		}
		return func() store.Log { return open(t, address, Options{}) }, keep, lose
	}
}
