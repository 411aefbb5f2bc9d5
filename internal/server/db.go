package server

import (
	"context"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
)

// A DB is where records are read and written: an [App], a [Connection], or a
// [Tx], whose queries see its own writes.
type DB interface {
	View(ctx context.Context, fn func(*store.Snapshot) error) error
	Transaction(ctx context.Context, fn func(*Tx) error) error
}

// A Tx is a transaction that has not been committed. It holds no lock. It is
// not safe for concurrent use.
type Tx struct{ *store.Tx }

// Transaction runs fn as part of tx.
func (tx *Tx) Transaction(_ context.Context, fn func(*Tx) error) error { return fn(tx) }

type dbKey struct{}

// withDB returns a context with which the application reads and writes db in place
// of its store.
func withDB(ctx context.Context, db DB) context.Context { return context.WithValue(ctx, dbKey{}, db) }

// View reads the store as of ctx.
func (a *App) View(ctx context.Context, fn func(*store.Snapshot) error) error {
	if db, ok := ctx.Value(dbKey{}).(DB); ok {
		return db.View(ctx, fn)
	}
	if seq, ok := ctx.Value(atKey{}).(uint64); ok {
		return a.store.ViewAt(ctx, seq, fn)
	}
	return a.store.View(ctx, fn)
}

type authorKey struct{}

// WithAuthor returns a context whose commits are made by name.
func WithAuthor(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, authorKey{}, name)
}

// Transaction runs fn and commits what it wrote, all or nothing. It runs fn
// again when somebody else changed what it had read.
func (a *App) Transaction(ctx context.Context, fn func(*Tx) error) error {
	if db, ok := ctx.Value(dbKey{}).(DB); ok {
		return db.Transaction(ctx, fn)
	}
	by := "app"
	call := callOf(ctx)
	if call != nil {
		by = call.by
	}
	if name, named := ctx.Value(authorKey{}).(string); named {
		by = name
	}
	commit, err := a.store.Update(ctx, by, func(tx *store.Tx) error {
		if call != nil {
			tx.SetAttempt(call.attempt)
		}
		return fn(&Tx{tx})
	})
	if call != nil && err == nil {
		call.recordCommit(commit)
	} else if call != nil {
		call.recordApplied(err)
	}
	return err
}

// View reads the store: its newest state, or, while rules are evaluated for a
// commit, its state at that commit.
func (c *Connection) View(ctx context.Context, fn func(*store.Snapshot) error) error {
	return c.app.View(c.withDB(ctx), fn)
}

// withDB returns the context with which the connection reads and writes.
func (c *Connection) withDB(ctx context.Context) context.Context {
	if c.db == nil {
		return ctx
	}
	return withDB(ctx, c.db)
}

// Transaction runs fn and commits what it wrote, all or nothing. It runs fn
// again when somebody else changed what it had read.
func (c *Connection) Transaction(ctx context.Context, fn func(*Tx) error) error {
	return c.app.Transaction(c.withDB(ctx), fn)
}

// A readOnlyDB is a state of the store that is read only.
type ReadOnlyDB struct {
	Read   func(ctx context.Context, fn func(*store.Snapshot) error) error
	Reason string // nothing is written
}

func (s ReadOnlyDB) View(ctx context.Context, fn func(*store.Snapshot) error) error {
	return s.Read(ctx, fn)
}

func (s ReadOnlyDB) Transaction(context.Context, func(*Tx) error) error {
	return fault.Errorf(fault.Forbidden, "%s", s.Reason)
}

type atKey struct{}

func atSeq(ctx context.Context, seq uint64) context.Context {
	return context.WithValue(ctx, atKey{}, seq)
}
