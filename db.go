package tower

import (
	"context"

	"github.com/towerkit/tower/internal/server"
)

// A DB is where records are read and written: a [Connection], an [App] or a [Tx], or
// a struct that embeds one, such as a controller. Other packages cannot implement it.
type DB interface {
	// Transaction runs fn and commits what it wrote, all or nothing, unless fn returns
	// an error. It waits until the commit is durable. It runs fn again if another
	// transaction changed what fn had read, so fn may run more than once. The
	// Transaction of a [Tx] runs fn as a part of that transaction.
	Transaction(ctx context.Context, fn func(*Tx) error) error

	db() server.DB
}

// A Tx is a transaction that has not been committed: a [DB] whose queries see its own
// writes. It holds no lock. The store checks what it read when it commits, and runs
// the function again if another transaction changed that. A Tx is valid until the
// function returns, and not safe for concurrent use.
type Tx struct{ tx *server.Tx }

// Transaction runs fn as a part of the transaction. An error of fn undoes nothing by
// itself: return it from the outer function, and the transaction commits nothing.
func (tx *Tx) Transaction(_ context.Context, fn func(*Tx) error) error { return fn(tx) }

func (tx *Tx) db() server.DB { return tx.tx }

// transaction runs fn as a transaction of db.
func transaction(ctx context.Context, db server.DB, fn func(*Tx) error) error {
	return codedError(db.Transaction(ctx, func(tx *server.Tx) error { return fn(&Tx{tx}) }))
}

// WithAuthor returns a context whose commits carry the author's name, for example
// "job: remind". The console and the log of commits show it. Without a name, the
// author of a commit is the action and its user, and outside of an action "app".
func WithAuthor(ctx context.Context, name string) context.Context {
	return server.WithAuthor(ctx, name)
}
