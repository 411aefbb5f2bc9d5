// Package driver is where an application finds the driver of a database that its nodes share:
// package postgres sets Open. So an application that does not import that links no driver.
package driver

import (
	"context"
	"errors"
	"log/slog"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A Log is the history of commits in a database, which all nodes share.
type Log interface {
	store.Log
	// Close ends the connections. The store must be closed before.
	Close()
}

// A Database is a Log that has its records in tables as well.
type Database interface {
	Log
	// Compare compares the tables and the log with what a store has of them, as of one commit.
	Compare(context.Context, *store.Store) (*Comparison, error)
	// Running returns how many nodes run.
	Running(context.Context) (int, error)
}

// A Comparison is what was compared, and how it differs.
type Comparison struct {
	wire.Comparison
	Differences []string // the first ones; none: all is the same
}

// Options are what an application says of its database.
type Options struct {
	Address string // like postgres://user:password@host/database
	Listen  string // the address at which notifications arrive; "": Address
	Migrate bool   // bring the tables in line with the models
	Log     *slog.Logger
}

// Open connects to a database. It is nil in a program without a driver.
var Open func(context.Context, Options) (Database, error)

// Migrate plans what brings the tables of a database in line with models, and does it if run is
// set. Migrate calls say with each statement before it executes it. It is nil in a program without a
// driver.
var Migrate func(ctx context.Context, o Options, models []*record.Model, run bool, say func(Statement)) (Plan, error)

// Examine looks for what is wrong or dangerous in a database, and changes nothing. It is nil in a
// program without a driver.
var Examine func(ctx context.Context, o Options, models []*record.Model) []wire.Finding

// Load copies what a store's file has into a database that has nothing, and compares both. If it
// fails, the database is as it was. It is nil in a program without a driver.
var Load func(ctx context.Context, o Options, f *store.File, models []*record.Model, say func(string)) (*Comparison, error)

// A Plan is what tables need.
type Plan struct {
	Statements []Statement
	Problems   []string // what somebody must settle first
}

// A Statement is one step of a plan.
type Statement struct {
	SQL  string
	Says string // what it does
}

// Check returns an error if the program has no driver.
func Check() error {
	if Open == nil {
		return errors.New(`this is the address of a database, and the program has no driver for PostgreSQL: add import _ "github.com/towerkit/tower/postgres" to the application's main.go`)
	}
	return nil
}
