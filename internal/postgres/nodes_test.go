//go:build linux

package postgres

import (
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
