package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/slow"
	"github.com/towerkit/tower/internal/server/tracing"
	"github.com/towerkit/tower/internal/store"
)

// A DB is read and written in transactions: an [App], a [Connection], or a [Tx], whose
// queries see its own writes.
type DB interface {
	// View calls fn with a snapshot, which is valid until fn returns.
	View(ctx context.Context, fn func(*store.Snapshot) error) error
	// Transaction calls fn and commits what it wrote, unless it returns an error. It may
	// call fn again if another commit changed what fn read.
	Transaction(ctx context.Context, fn func(*Tx) error) error
}

// A Tx is a transaction that has not been committed. It holds no lock. It is not safe for
// concurrent use.
type Tx struct {
	*store.Tx
	App *App // whose store it writes
}

// Transaction runs fn as part of tx.
func (tx *Tx) Transaction(_ context.Context, fn func(*Tx) error) error { return fn(tx) }

type appKey struct{}

// within returns a context that carries the application.
func (a *App) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, appKey{}, a)
}

// TxIn returns a transaction of the application that the context of a reaction carries.
func TxIn(ctx context.Context, tx *store.Tx) *Tx {
	app, _ := ctx.Value(appKey{}).(*App)
	return &Tx{Tx: tx, App: app}
}

type dbKey struct{}

// withDB returns a context that makes the application read and write db instead of its
// store.
func withDB(ctx context.Context, db DB) context.Context { return context.WithValue(ctx, dbKey{}, db) }

// View reads the DB that ctx selects, or else the store: at the commit that ctx selects, or
// in its newest state.
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

// WithAuthor returns a context whose commits have name as their author.
func WithAuthor(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, authorKey{}, name)
}

// Transaction runs fn and commits what it wrote, all or nothing. It runs fn again if
// another commit changed what fn read. It returns when the commit is on disk.
func (a *App) Transaction(ctx context.Context, fn func(*Tx) error) error {
	if err := writable(ctx); err != nil {
		return err
	}
	call := callOf(ctx)
	if call != nil {
		fn = call.guarded(ctx, fn)
	}
	if db, ok := ctx.Value(dbKey{}).(DB); ok {
		return db.Transaction(ctx, fn)
	}
	by := "app"
	var stay stay
	if call != nil {
		by, stay = call.author(), call.conn.staying()
	}
	if name, named := ctx.Value(authorKey{}).(string); named {
		by = name
	}
	ctx, end := a.traces.Start(ctx, tracing.Span{Name: "commit"})
	carried := a.traces.Carry(ctx)
	var written time.Time // by the application, for the last time
	commit, err := a.store.Update(ctx, by, func(tx *store.Tx) error {
		if err := stay.begin(tx); err != nil {
			return err
		}
		if call != nil {
			tx.SetAttempt(call.attempt)
		}
		tx.SetTrace(carried)
		err := fn(&Tx{tx, a})
		written = a.slow.Begin()
		if err == nil {
			stay.expectEnd(tx)
		}
		return err
	})
	stay.over()
	a.slow.End(ctx, slow.Commit, by, written)
	end(commitSpan(commit, err))
	if call != nil && err == nil {
		call.recordCommit(commit)
	} else if call != nil {
		call.recordApplied(err)
	}
	return err
}

// commitSpan returns what is known at the end of the span of a transaction.
func commitSpan(commit store.Commit, err error) tracing.Span {
	if err != nil {
		return tracing.Span{Failed: fault.As(err).Code == fault.Internal}
	}
	return tracing.Span{Attrs: []slog.Attr{slog.Uint64(tracing.Seq, commit.Seq), slog.Int(tracing.Changes, len(commit.Changes))}}
}

// View reads the store: its newest state, or, while rules are evaluated for a commit, its
// state at that commit.
func (c *Connection) View(ctx context.Context, fn func(*store.Snapshot) error) error {
	return c.app.View(c.withDB(ctx), fn)
}

// withDB returns a context that reads and writes the connection's DB.
func (c *Connection) withDB(ctx context.Context) context.Context {
	if c.db == nil {
		return ctx
	}
	return withDB(ctx, c.db)
}

// Transaction runs fn and commits what it wrote, all or nothing. It runs fn again if
// another commit changed what fn read. It returns when the commit is on disk.
func (c *Connection) Transaction(ctx context.Context, fn func(*Tx) error) error {
	if c.login.Actor != "" {
		return errSandbox()
	}
	return c.app.Transaction(c.withDB(ctx), fn)
}

// A ReadOnlyDB is a DB that refuses transactions.
type ReadOnlyDB struct {
	Read   func(ctx context.Context, fn func(*store.Snapshot) error) error
	Reason string // the message of the error that Transaction returns
}

// View calls Read.
func (r ReadOnlyDB) View(ctx context.Context, fn func(*store.Snapshot) error) error {
	return r.Read(ctx, fn)
}

// Transaction returns an error with the reason.
func (r ReadOnlyDB) Transaction(context.Context, func(*Tx) error) error {
	return fault.Errorf(fault.Forbidden, "%s", r.Reason)
}

type atKey struct{}

// atSeq returns a context that makes the application read the state after a commit.
func atSeq(ctx context.Context, seq uint64) context.Context {
	return context.WithValue(ctx, atKey{}, seq)
}
