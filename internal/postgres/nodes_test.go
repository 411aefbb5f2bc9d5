//go:build linux

package postgres

import (
	"sync"
	"testing"

	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/store/storetest"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
)

func TestConformRegistry(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server *pgtest.Server) {
		storetest.ConformRegistry(t, func(t *testing.T) (a, b nodes.Registry) {
			address := server.Database(t)
			one, two := open(t, address, Options{}), open(t, address, Options{})
			for _, l := range []*Log{one, two} {
				if _, err := l.Begin(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
			return one, two
		})
	})
}

// TestHostWhileTheWriterConnects asks for the host while the writer turns out to reach the
// server itself, and connects again. The race detector watches.
func TestHostWhileTheWriterConnects(t *testing.T) {
	l := open(t, pgtest.Shared(t).Database(t), Options{})
	l.writer.direct.Store(true)
	var asked sync.WaitGroup
	asked.Go(func() {
		if host := l.Host(); host != "127.0.0.1" {
			t.Errorf("the host is %q", host)
		}
	})
	if _, err := l.writer.get(t.Context()); err != nil {
		t.Error(err)
	}
	asked.Wait()
}
