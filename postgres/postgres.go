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
	"github.com/towerkit/tower/internal/postgres/tables"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

func init() {
	driver.Open, driver.Migrate, driver.Examine, driver.Load = open, migrate, examine, load
}

func open(ctx context.Context, o driver.Options) (driver.Database, error) {
	log, err := postgres.Open(ctx, o.Address, postgres.Options{Listen: o.Listen, Migrate: o.Migrate, Logger: o.Log})
	if err != nil {
		return nil, err
	}
	return log, nil
}

func migrate(ctx context.Context, o driver.Options, models []*record.Model, run bool, say func(driver.Statement)) (driver.Plan, error) {
	log, err := postgres.Open(ctx, o.Address, postgres.Options{Listen: o.Listen, Logger: o.Log})
	if err != nil {
		return driver.Plan{}, err
	}
	defer log.Close()
	stated := func(s tables.Statement) driver.Statement { return driver.Statement{SQL: s.SQL, Says: s.Says} }
	plan, err := log.Migrate(ctx, store.ModelsOfLog(models), run, func(s tables.Statement) { say(stated(s)) })
	if err != nil {
		return driver.Plan{}, err
	}
	made := driver.Plan{Problems: plan.Problems}
	for _, s := range plan.Statements {
		made.Statements = append(made.Statements, stated(s))
	}
	return made, nil
}

func examine(ctx context.Context, o driver.Options, models []*record.Model) (all []wire.Finding) {
	for _, f := range postgres.Examine(ctx, o.Address, o.Listen, models) {
		all = append(all, wire.Finding{Check: "postgres", State: string(f.State), Detail: f.Detail, Fix: f.Fix})
	}
	return all
}

func load(ctx context.Context, o driver.Options, f *store.File, models []*record.Model, say func(string)) (*driver.Comparison, error) {
	log, err := postgres.Open(ctx, o.Address, postgres.Options{Listen: o.Listen, Logger: o.Log})
	if err != nil {
		return nil, err
	}
	defer log.Close()
	return log.Load(ctx, f, models, say)
}
