// Package postgres lets the nodes of an application share a PostgreSQL database:
//
//	import _ "github.com/towerkit/tower/postgres"
//
// An application that imports it runs on one node with a file, as before, until TOWER_DB is
// the address of a database, like postgres://user:password@host/database. Then each node
// keeps a replica of it in its file. See the guide on scaling.
package postgres

import (
	"context"

	"github.com/towerkit/tower/internal/database/driver"
	"github.com/towerkit/tower/internal/postgres"
)

func init() { driver.Open = open }

func open(ctx context.Context, o driver.Options) (driver.Log, error) {
	log, err := postgres.Open(ctx, o.Address, postgres.Options{Listen: o.Listen, Migrate: o.Migrate, Logger: o.Log})
	if err != nil {
		return nil, err
	}
	return log, nil
}
